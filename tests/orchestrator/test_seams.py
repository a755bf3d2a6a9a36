"""Where chunks meet, they show the same frame; a page whose chunks don't is drawn in one."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import helios
from helios.orchestrator import RenderPlan, split
from helios.orchestrator.chunk_cache import ChunkStats
from helios.orchestrator.seams import SeamBroken, Seams
from helios.renderer.messages import FrameFingerprint

FRAMES = 24
SAFE = """<!doctype html><body style="margin:0"><i id=box style="display:block;width:40px;height:40px;background:#284"></i>
<script>helios.seek = (s) => (box.style.marginLeft = `${8 * Math.round(s * 30)}px`);</script>"""
COUNTS = """<!doctype html><body style="margin:0"><i id=box style="display:block;width:40px;height:40px;background:#284"></i>
<script>let calls = 0; helios.seek = () => (box.style.marginLeft = `${8 * calls++}px`);</script>"""
"""It says that it can seek, and counts how often it was asked to instead."""


def look(name: str, mean: int = 0) -> FrameFingerprint:
    return FrameFingerprint.create(name, bytes([mean]) * 12)


def test_seams_are_looked_at_in_any_order() -> None:
    chunks = split(range(30), 10)
    stats = [
        ChunkStats(frames=10, first=look("a"), next_frame=look("b")),
        ChunkStats(frames=10, first=look("b"), next_frame=look("c")),
        ChunkStats(frames=10, first=look("c")),
    ]
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)):
        seams = Seams(chunks)
        for k in order:
            seams.add(chunks[k], stats[k])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (0, 2, 1)])
def test_a_seam_that_does_not_fit_is_named(order: tuple[int, ...]) -> None:
    chunks = split(range(30), 10)
    stats = [
        ChunkStats(frames=10, first=look("a"), next_frame=look("b")),
        ChunkStats(frames=10, first=look("b"), next_frame=look("c", 40)),
        ChunkStats(frames=10, first=look("d", 100)),
    ]

    def add_all() -> None:
        seams = Seams(chunks)
        for k in order:
            seams.add(chunks[k], stats[k])

    with pytest.raises(
        SeamBroken, match="frame 20 differs between the end of chunk 1 and the start of chunk 2, by 60 of 255"
    ):
        add_all()


def test_commands_that_tell_nothing_have_no_seams() -> None:
    chunks = split(range(30), 10)
    seams = Seams(chunks)
    for chunk in chunks:
        seams.add(chunk, ChunkStats(frames=10))


def render(page: Path, output: Path, **options: Any) -> tuple[helios.RenderResult, list[helios.RenderEvent]]:
    events: list[helios.RenderEvent] = []
    video = helios.render_sync(
        page, output, width=320, height=180, frames=FRAMES, on_event=events.append, fresh=True, **options
    )
    return video, events


@pytest.mark.parametrize("capture", ["fast", "faithful"])
def test_a_page_that_is_not_safe_to_split_is_drawn_in_one_chunk(capture: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(COUNTS)
    whole, _ = render(page, tmp_path / "whole.mp4", chunk_frames=FRAMES, capture=capture)
    video, events = render(page, tmp_path / "video.mp4", chunk_frames=8, workers=2, capture=capture)
    assert [event.chunks for event in events if event.event == "render-planned"] == [3, 1]
    (warning,) = [event.message for event in events if event.event == "warning-issued"]
    assert "can't be rendered in parts" in warning
    assert "differs between the end of chunk" in warning
    assert "of 255" in warning
    assert video.hashes == whole.hashes


def test_a_long_video_is_looked_at_before_it_is_split(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(COUNTS)

    async def plans() -> None:
        spec = await helios.create_job(page, tmp_path / "a.mp4", width=64, height=64, frames=300)
        assert isinstance(spec.plan, RenderPlan)
        (warning,) = spec.plan.warnings
        assert "frame 5 differs when the page has drawn all frames before it" in warning
        assert spec.plan.probe.motion == "step"
        page.write_text(SAFE)
        spec = await helios.create_job(page, tmp_path / "a.mp4", width=64, height=64, frames=300)
        assert isinstance(spec.plan, RenderPlan)
        assert (spec.plan.warnings, spec.plan.probe.motion) == ((), "seek")

    asyncio.run(plans())


def test_a_page_that_is_safe_to_split_is(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(SAFE)
    whole, _ = render(page, tmp_path / "whole.mp4", chunk_frames=FRAMES)
    video, events = render(page, tmp_path / "video.mp4", chunk_frames=5, workers=2)
    assert [event.chunks for event in events if event.event == "render-planned"] == [5]
    assert [event for event in events if event.event == "warning-issued"] == []
    assert video.hashes == whole.hashes


def test_an_encoder_of_the_browsers_is_given_no_frame_of_the_next_chunk(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(SAFE)
    video, _ = render(page, tmp_path / "video.mp4", chunk_frames=5, workers=2, encoder="browser")
    assert video.frames == FRAMES
