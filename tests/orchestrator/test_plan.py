"""Frames are shared out without a gap, evenly, and for as many workers as pay off."""

import asyncio
import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios.adapters import LocalWorkerAdapter
from helios.composition import Composition, Declared, Source, compose
from helios.errors import UsageError
from helios.orchestrator import RenderOrchestrator
from helios.orchestrator import plan as planning
from helios.orchestrator.plan import (
    MAX_CHUNK,
    MIN_SHARE,
    SPREAD,
    Chunk,
    RenderPlan,
    RenderRequest,
    chunks_for,
    paying_workers,
    split,
)
from helios.renderer.messages import CaptureChoice, Costs, Encoding, Motion, Probe
from helios.stitcher import FfmpegStitcher

frame_ranges = st.builds(
    lambda start, length: range(start, start + length), st.integers(0, 1_000_000), st.integers(1, 5000)
)
motions = st.sampled_from(["seek", "jump", "step"])


@given(frame_ranges, st.integers(1, 6000), st.integers(1, 100))
def test_every_frame_is_in_one_chunk_in_order(frames: range, most: int, multiple: int) -> None:
    chunks = split(frames, most, multiple)
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert (chunks[0].start, chunks[-1].stop) == (frames.start, frames.stop)
    assert all(one.stop == other.start for one, other in pairwise(chunks))


@given(frame_ranges, st.integers(1, 6000), st.integers(1, 100))
def test_chunks_are_even_and_never_empty_or_too_long(frames: range, most: int, multiple: int) -> None:
    lengths = [chunk.frames for chunk in split(frames, most, multiple)]
    assert min(lengths) >= 1
    assert max(lengths) <= most
    assert max(lengths) - min(lengths) <= 1


@given(frame_ranges, st.integers(1, 6000), st.integers(1, 100))
def test_there_are_no_more_chunks_than_need_be(frames: range, most: int, multiple: int) -> None:
    count = len(split(frames, most, multiple))
    needed = -(-len(frames) // most)
    assert needed <= count < needed + multiple
    assert count % multiple == 0 or count == len(frames)


@pytest.mark.parametrize("most", [0, -1])
def test_a_chunk_without_a_frame_is_refused(most: int) -> None:
    with pytest.raises(UsageError, match=f"at least 1 frame, not {most}"):
        split(range(10), most)


def test_a_split_by_example() -> None:
    assert split(range(5, 15), 4) == (Chunk(0, 5, 8), Chunk(1, 8, 11), Chunk(2, 11, 15))
    assert split(range(10), 100, 4) == (Chunk(0, 0, 2), Chunk(1, 2, 5), Chunk(2, 5, 7), Chunk(3, 7, 10))
    assert split(range(2), 100, 4) == (Chunk(0, 0, 1), Chunk(1, 1, 2))


def test_a_chunk_says_its_frames() -> None:
    assert str(Chunk(3, 10, 20)) == "chunk 3 (frames 10:20)"
    assert Chunk(3, 10, 20).frames == 10


@given(frame_ranges, motions, st.integers(1, 64), st.integers(1, 500))
def test_the_callers_chunk_length_is_kept_to(frames: range, motion: Motion, workers: int, length: int) -> None:
    assert chunks_for(frames, motion, workers, length) == split(frames, length)


@given(frame_ranges, motions, st.integers(1, 64))
def test_every_worker_gets_as_many_chunks_as_the_others(frames: range, motion: Motion, workers: int) -> None:
    chunks = chunks_for(frames, motion, workers, None)
    assert len(chunks) % workers == 0 or len(chunks) == len(frames)
    assert max(chunk.frames for chunk in chunks) <= MAX_CHUNK[motion]


def test_one_worker_draws_a_short_video_in_one_chunk() -> None:
    assert chunks_for(range(300), "seek", 1, None) == (Chunk(0, 0, 300),)


def test_a_page_that_is_stepped_gets_longer_chunks() -> None:
    assert len(chunks_for(range(3000), "step", 1, None)) == 1
    assert len(chunks_for(range(3000), "seek", 1, None)) == 5


def give_cores(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Has this process run on a machine with so many cores."""

    def some_cores(pid: int) -> set[int]:
        return set(range(count))

    monkeypatch.setattr(os, "sched_getaffinity", some_cores)


@pytest.mark.parametrize(
    ("cores", "frames", "workers"),
    [(1, 1000, 1), (4, 1000, 4), (4, 1, 1), (4, MIN_SHARE, 1), (4, 2 * MIN_SHARE - 1, 1), (4, 2 * MIN_SHARE, 2)],
)
def test_a_worker_pays_off_for_each_core_with_some_frames_to_draw(
    cores: int, frames: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_cores(monkeypatch, cores)
    assert paying_workers(frames) == workers
    assert paying_workers(frames, Costs(draw_ms=20, encode_ms=0)) == workers, "as if only drawing cost anything"


@pytest.mark.parametrize(
    ("draw_ms", "encode_ms", "workers"),
    [
        (50, 0, 8),
        (50, 0.01, 8),  # what is left of a core is a core
        (0.01, 50, 1),
        (1, 100, 1),
        (SPREAD * 50, 50, 4),  # a frame keeps its page's thread busy for half of its time
        (SPREAD * 50 + 1, 50, 5),
        (3 * SPREAD * 10, 10, 6),
    ],
)
def test_as_many_workers_pay_off_as_the_drawing_keeps_cores_busy(
    draw_ms: float, encode_ms: float, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_cores(monkeypatch, 8)
    assert paying_workers(1000, Costs(draw_ms=draw_ms, encode_ms=encode_ms)) == workers


some_ms = st.floats(0.01, 10_000)


@given(st.integers(1, 64), st.integers(1, 5000), some_ms, some_ms)
def test_never_more_workers_than_cores_or_than_have_frames_to_draw(
    cores: int, frames: int, draw_ms: float, encode_ms: float
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        give_cores(monkeypatch, cores)
        workers = paying_workers(frames, Costs(draw_ms=draw_ms, encode_ms=encode_ms))
        assert 1 <= workers <= min(cores, max(1, frames // MIN_SHARE))
        assert workers <= paying_workers(frames, Costs(draw_ms=2 * draw_ms, encode_ms=encode_ms))
        assert workers >= paying_workers(frames, Costs(draw_ms=draw_ms, encode_ms=2 * encode_ms))
        assert workers <= paying_workers(frames)


@pytest.mark.parametrize(("count", "workers"), [(3, 3), (None, 1)])
def test_cores_are_counted_where_they_can_not_be_chosen(
    count: int | None, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert paying_workers(1000) == workers


def test_a_plan_gives_each_chunk_its_message() -> None:
    video: Composition = compose(Source(root=None, entry="http://x/"), Declared(fps=Fraction(25), frames=20))
    probe = Probe(composition=video, capture="begin-frame", motion="jump", browser="B 1", renderer="r", warnings=())
    plan = RenderPlan(video, Encoding(crf=30), probe, split(range(5, 20), 8), 2)
    assert plan.frames == 15
    spec = plan.spec(plan.chunks[1])
    assert (spec.start, spec.stop) == (12, 20)
    assert (spec.composition, spec.encoding) == (video, Encoding(crf=30))
    assert (spec.capture, spec.motion) == ("begin-frame", "jump")


@pytest.mark.parametrize("workers", [None, 3])
def test_a_video_that_is_drawn_otherwise_has_workers_for_that(
    workers: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "cores", lambda: 4)
    source = Source(root=None, entry="http://x/")
    video: Composition = compose(source, Declared(fps=Fraction(25), frames=400))
    costs = Costs(draw_ms=1, encode_ms=10)
    probe = Probe(
        composition=video, capture="canvas", motion="seek", browser="B 1", renderer="r", warnings=("w",), costs=costs
    )
    request = RenderRequest(source, Declared(), Encoding(crf=30), workers=workers)
    first = planning.plan_chunks(request, probe, ["canvas", "stage", "begin-frame"])
    assert first.fallback
    second = first.fallback
    assert second.fallback
    third = second.fallback
    assert third.fallback is None
    assert [each.probe.capture for each in (first, second, third)] == ["canvas", "stage", "begin-frame"]
    expected = [workers] * 3 if workers else [1, 1, 4]
    assert [each.workers for each in (first, second, third)] == expected
    assert [each.encoder_threads for each in (first, second, third)] == [4 // count for count in expected]
    for each in (first, second, third):
        assert each.frames == 400
        assert each.spec(each.chunks[0]).capture == each.probe.capture


CANVAS = """<!doctype html><style>body { margin: 0 } canvas { display: block }</style>
<canvas id=canvas width=160 height=90></canvas><script>
const context = canvas.getContext("2d");
helios.seek = (s) => { context.fillStyle = `rgb(${60 * s} 0 99)`; context.fillRect(0, 0, 160, 90); };</script>"""


def planned(
    folder: Path, html: str, capture: CaptureChoice, *, workers: int | None = None, chunk_frames: int | None = None
) -> RenderPlan:
    """The plan for a page of 40 frames, made with a real browser."""
    (folder / "page.html").write_text(html)
    request = RenderRequest(
        source=Source.parse(folder / "page.html"),
        declared=Declared(width=160, height=90, frames=40),
        encoding=Encoding(preset="ultrafast"),
        capture=capture,
        workers=workers,
        chunk_frames=chunk_frames,
    )
    adapter = LocalWorkerAdapter()
    return asyncio.run(RenderOrchestrator(adapter, FfmpegStitcher(adapter)).plan(request))


@pytest.mark.parametrize(
    ("cores", "wanted", "workers", "threads"),
    [
        (8, {"workers": 3}, 3, 2),
        (8, {"workers": 5, "chunk_frames": 20}, 2, 4),
        (8, {"workers": 1}, 1, 8),
        (2, {"workers": 5}, 5, 1),
        (3, {}, 3, 1),
    ],
    ids=str,
)
def test_encoders_share_the_cores_that_there_are(
    cores: int, wanted: dict[str, int], workers: int, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_cores(monkeypatch, cores)
    plan = planned(tmp_path, "<!doctype html><p>words", "faithful", **wanted)
    assert (plan.workers, plan.encoder_threads) == (workers, threads)
    assert {plan.spec(chunk).encoder_threads for chunk in plan.chunks} == {threads}
    assert sum(chunk.frames for chunk in plan.chunks) == 40


def in_turn(plan: RenderPlan | None) -> Iterator[str]:
    """The methods of a plan and of those for when it turns out to be unsafe."""
    while plan:
        yield plan.probe.capture
        plan = plan.fallback


@pytest.mark.parametrize(
    ("html", "capture", "methods"),
    [
        (CANVAS, "auto", ["canvas", "stage", "begin-frame"]),
        (CANVAS, "fast", ["canvas", "stage"]),
        (CANVAS, "faithful", ["begin-frame"]),
        ("<!doctype html><p>words", "auto", ["stage", "begin-frame"]),
        ("<!doctype html><p>words", "fast", ["stage"]),
    ],
    ids=["canvas-auto", "canvas-fast", "canvas-faithful", "words-auto", "words-fast"],
)
def test_a_plan_holds_the_ways_that_are_left(
    html: str, capture: CaptureChoice, methods: list[str], tmp_path: Path
) -> None:
    plan = planned(tmp_path, html, capture, workers=1)
    assert list(in_turn(plan)) == methods
    assert (plan.probe.costs is None) == (capture == "faithful")
    assert (plan.probe.comparison is None) == (capture != "auto")
