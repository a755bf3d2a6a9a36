"""Frames are shared out without a gap, evenly, and for as many workers as pay off."""

import os
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios.composition import Composition, Declared, Source, compose
from helios.errors import UsageError
from helios.orchestrator.plan import (
    MAX_CHUNK,
    MIN_SHARE,
    Chunk,
    RenderPlan,
    chunks_for,
    paying_workers,
    split,
)
from helios.renderer.spec import Encoding, Motion, Probe

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


def test_one_worker_draws_a_short_film_in_one_chunk() -> None:
    assert chunks_for(range(300), "seek", 1, None) == (Chunk(0, 0, 300),)


def test_a_page_that_is_stepped_gets_longer_chunks() -> None:
    assert len(chunks_for(range(3000), "step", 1, None)) == 1
    assert len(chunks_for(range(3000), "seek", 1, None)) == 5


@pytest.mark.parametrize(
    ("cores", "frames", "workers"),
    [(1, 1000, 1), (4, 1000, 4), (4, 1, 1), (4, MIN_SHARE, 1), (4, 2 * MIN_SHARE - 1, 1), (4, 2 * MIN_SHARE, 2)],
)
def test_a_worker_pays_off_for_each_core_with_some_frames_to_draw(
    cores: int, frames: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def some_cores(pid: int) -> set[int]:
        return set(range(cores))

    monkeypatch.setattr(os, "sched_getaffinity", some_cores)
    assert paying_workers(frames) == workers


@pytest.mark.parametrize(("count", "workers"), [(3, 3), (None, 1)])
def test_cores_are_counted_where_they_can_not_be_chosen(
    count: int | None, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert paying_workers(1000) == workers


def test_a_plan_gives_each_chunk_its_message() -> None:
    film: Composition = compose(Source(root=None, entry="http://x/"), Declared(fps=Fraction(25), frames=20))
    probe = Probe(composition=film, capture="begin-frame", motion="jump", browser="B 1", warnings=())
    plan = RenderPlan(film, Encoding(crf=30), probe, split(range(5, 20), 8), 2)
    assert plan.frames == 15
    spec = plan.spec(plan.chunks[1])
    assert (spec.start, spec.stop) == (12, 20)
    assert (spec.composition, spec.encoding) == (film, Encoding(crf=30))
    assert (spec.capture, spec.motion) == ("begin-frame", "jump")
