"""Pages that move, and what renders and compares them, for the tests of fast capture."""

import asyncio
import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
from av.video.stream import VideoStream
from test_parity import means

import helios
from helios.composition import Composition, Declared, Source
from helios.renderer.draw import draw_chunk
from helios.renderer.frame_diff import THRESHOLD
from helios.renderer.messages import CaptureMethod, ChunkReport, ChunkSpec, Encoding, Motion, Probe, ProbeSpec
from helios.renderer.probe import probe
from support.gates import gated
from support.processes import named
from support.videos import frame_pixels

Colour = tuple[int, int, int]
SIZE = (320, 180)
FRAMES = 8
LOSSLESS = Encoding(preset="ultrafast", crf=0, pixel_format="yuv444p")

HEAD = """<!doctype html><meta charset=utf-8><script>
/** Calls `draw` in every frame, with its number. */
const each = (draw) => requestAnimationFrame(function loop(t) {
  draw(Math.round((t * 30) / 1000));
  requestAnimationFrame(loop);
});
</script>"""
MOVER = """<i id=mover style="position:fixed;top:164px;width:16px;height:16px;background:#000"></i>
<script>each((k) => { mover.style.left = `${16 * (k % 20)}px`; });</script>"""
"""An element that moves without a change of its edges, so that all frames of a page differ."""


def write_page(folder: Path, html: str) -> Path:
    page = folder / "page.html"
    page.write_text(HEAD + html, "utf-8")
    return page


def probe_page(source: Path | str, folder: Path, frames: int = FRAMES) -> Probe:
    """Probes a page with automatic capture."""
    declared = Declared(width=SIZE[0], height=SIZE[1], frames=frames)
    spec = ProbeSpec(source=Source.parse(source), declared=declared, capture="auto")
    return asyncio.run(probe(spec, Path(tempfile.mkdtemp(dir=folder))))


def chunk_spec(source: Path | str, frames: range, method: CaptureMethod, motion: Motion) -> ChunkSpec:
    composition = Composition(
        source=Source.parse(source), width=SIZE[0], height=SIZE[1], fps=Fraction(30), frames=frames.stop
    )
    return ChunkSpec(
        composition=composition,
        start=frames.start,
        stop=frames.stop,
        encoding=LOSSLESS,
        capture=method,
        motion=motion,
    )


def draw(
    source: Path | str, output: Path, method: CaptureMethod, motion: Motion = "step", frames: range = range(FRAMES)
) -> ChunkReport:
    workspace = Path(tempfile.mkdtemp(dir=output.parent))
    spec = chunk_spec(source, frames, method, motion)
    return asyncio.run(draw_chunk(spec, output, workspace, lambda done, total: None))


def render(
    source: Path | str, output: Path, frames: int, **options: Any
) -> tuple[helios.RenderResult, list[helios.RenderEvent]]:
    events: list[helios.RenderEvent] = []
    options = {"workers": 1, "preset": "ultrafast", "fresh": True, "on_event": events.append, **options}
    video = helios.render_sync(source, output, width=SIZE[0], height=SIZE[1], frames=frames, **options)
    return video, events


def capture_methods(events: list[helios.RenderEvent]) -> list[str]:
    """The capture methods with which a video was started, in order."""
    return [event.capture for event in events if event.event == "render-planned"]


def warnings(events: list[helios.RenderEvent]) -> list[str]:
    return [event.message for event in events if event.event == "warning-issued"]


def assert_matches_faithful(
    source: Path | str, folder: Path, method: CaptureMethod, motion: Motion = "step", *, exact: bool = True
) -> tuple[ChunkReport, ChunkReport]:
    """Draws a page with ``method`` and faithfully, and compares the frames. All frames of the page must differ."""
    fast = draw(source, folder / "fast.mp4", method, motion)
    faithful = draw(source, folder / "faithful.mp4", "begin-frame", motion)
    assert len(set(fast.hashes)) == len(set(faithful.hashes)) == FRAMES, "the page moves"
    assert fast.warnings == faithful.warnings == ()
    if exact:
        assert fast.hashes == faithful.hashes
    for frame in range(FRAMES):
        ones, others = (frame_pixels(folder / name, frame) for name in ("fast.mp4", "faithful.mp4"))
        assert np.abs(means(ones) - means(others)).max() <= THRESHOLD, frame
    return fast, faithful


def assert_shows(video: Path, frame: int, x: int, y: int, colour: Colour | None) -> None:
    """Asserts the colour of a pixel, with the tolerance of a lossless video; None is any colour but white."""
    seen = frame_pixels(video, frame)[y, x]
    far_off = np.abs(seen.astype(int) - (colour or (255, 255, 255))).max() > 3
    assert far_off == (colour is None), (x, y, seen)


def serve(
    folder: Path, *, headers: dict[str, str] | None = None, at_gate: Callable[[], object] = lambda: None
) -> AbstractContextManager[str]:
    """Serves a folder, and yields its address. A request for `/gate` waits until `at_gate` has returned."""
    (folder / "gate").touch()
    return gated(folder, lambda path: at_gate(), headers)


def write_images(path: Path, shades: list[int], rate: int, codec: str, pixel_format: str, **options: str) -> None:
    """A video or an animated image of plain shades of gray, 64 x 64 pixels."""
    with av.open(str(path), "w", options={key: value for key, value in options.items() if key == "loop"}) as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, VideoStream)
        stream.width = stream.height = 64
        stream.pix_fmt = pixel_format
        stream.options = {key: value for key, value in options.items() if key != "loop"}
        for shade in shades:
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), shade, np.uint8), format="rgb24")
            container.mux(stream.encode(frame.reformat(format=pixel_format)))
        container.mux(stream.encode())


def browser_processes() -> list[psutil.Process]:
    """The browsers that this process has started, without their helper processes."""
    return [
        process
        for process in named(os.getpid(), "--headless", "--remote-debugging-pipe")
        if "--type=" not in " ".join(process.cmdline()) and "/sh" not in process.cmdline()[0]
    ]
