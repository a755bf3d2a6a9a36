"""Drawing: a chunk into a segment, one frame into a PNG, and the probe that comes before both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from helios.composition import Composition
from helios.errors import WorkerRefused
from helios.renderer.browser.browser import open_page
from helios.renderer.browser.page import Page
from helios.renderer.capture.base import Capture
from helios.renderer.capture.fast import draw_safely
from helios.renderer.capture.frames import CapturedFrame, EncodedFrame, hash_pixels
from helios.renderer.capture.methods import create_capture
from helios.renderer.capture.stage import StageCapture
from helios.renderer.frame_diff import block_means
from helios.renderer.identity import identity
from helios.renderer.messages import (
    CaptureMethod,
    ChunkReport,
    ChunkSpec,
    Encoding,
    FrameFingerprint,
    Motion,
    StillSpec,
)

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

    from helios.renderer.encode.segment import PixelSink, SegmentFile

Progress = Callable[[int, int], None]
"""Called with frames done and frames in all."""


async def draw_first(capture: Capture, motion: Motion, frame: int) -> CapturedFrame | None:
    """Moves a freshly loaded page to ``frame`` and draws it.

    A page with state is stepped through every earlier frame. Any other needs only frame 0 and the frame before:
    Chromium reuses parts of some layers that it has already drawn.
    """
    await capture.warm_up()
    before = range(frame) if motion == "step" else sorted({0, frame - 1} & set(range(frame)))
    for earlier in before:
        await capture.step(earlier, shown=earlier == frame - 1)
    return await capture.draw(frame)


async def draw_chunk(spec: ChunkSpec, segment: Path, workspace: Path, progress: Progress) -> ChunkReport:
    """Draws a chunk's frames into ``segment``, which appears whole or not at all.

    Raises:
        MissingTool, PageError, BrowserError, CaptureUnsafe, OutputError: the chunk can't be drawn.
    """

    async def draw(folder: Path) -> ChunkReport:
        started = time.monotonic()
        async with _open(spec.composition, spec.capture, folder) as page:
            return await draw_on(page, spec, segment, progress, started)

    return await draw_safely(spec.capture, draw, workspace)


async def draw_on(
    page: Page, spec: ChunkSpec, segment: Path, progress: Progress, started: float, *, index_first: bool = False
) -> ChunkReport:
    """As ``draw_chunk``, on a page that was loaded for it; ``started`` is when loading started (``time.monotonic``)."""
    _check(spec, page)
    from helios.renderer.encode.segment import SegmentFile  # its libraries load while the browser starts

    fps = spec.composition.fps
    capture = create_capture(spec.capture, page, fps)
    with SegmentFile(segment, fps, index_first=index_first) as file:
        sink = await _sink(spec, file, capture)
        first = await draw_first(capture, spec.motion, spec.start)
        ready_ms = (time.monotonic() - started) * 1000
        pipeline = _EncodingPipeline(sink, page.confirm, lambda done: progress(done, spec.stop - spec.start))
        await pipeline.run(capture, first, range(spec.start + 1, spec.stop), spec.stop if spec.seam else None)
    assert pipeline.first, "a chunk has a frame"
    return ChunkReport(
        start=spec.start,
        stop=spec.stop,
        hashes=tuple(pipeline.hashes),
        first=pipeline.first,
        next_frame=pipeline.next_frame,
        repeated=pipeline.repeated,
        ready_ms=ready_ms,
        draw_ms=(time.monotonic() - started) * 1000 - ready_ms,
        warnings=tuple(page.warnings),
        used=dict(page.used),
        uses_external_resources=page.uses_external_resources,
    )


def _check(spec: ChunkSpec, page: Page) -> None:
    """Refuses a chunk that was planned with another browser or renderer."""
    if spec.browser not in (None, page.browser):
        raise WorkerRefused(
            f"this video was planned for {spec.browser}, but this worker has {page.browser}: render it again"
        )
    if spec.renderer not in (None, identity()):
        raise WorkerRefused("this video was planned by another version of Helios or of its encoders: render it again")


async def _sink(spec: ChunkSpec, file: SegmentFile, capture: Capture) -> PixelSink:
    if spec.encoding.encoder == "browser":
        from helios.renderer.encode.muxer import FrameMuxer, browser_settings

        assert isinstance(capture, StageCapture), "the browser encodes only fast frames"
        video = spec.composition
        await capture.encode(browser_settings(spec.encoding, video.width, video.height, video.fps))
        return FrameMuxer(file, capture.encoded)
    from helios.renderer.encode.encoder import FrameEncoder

    return FrameEncoder(file, spec.encoding, spec.composition, spec.encoder_threads, spec.start)


class _EncodingPipeline:
    """Encodes frames in a thread while the next ones are drawn."""

    _UNDER_WAY = 2

    def __init__(
        self, sink: PixelSink, confirm: Callable[[], Awaitable[None]], progress: Callable[[int], None]
    ) -> None:
        """``confirm`` is awaited before the segment is finished; if it raises an error, no segment is written."""
        self._sink = sink
        self._confirm = confirm
        self._last = ""
        self._progress = progress
        self._images = asyncio.Queue[CapturedFrame | None](self._UNDER_WAY)
        self.hashes: list[str] = []
        self.repeated = 0
        self.first: FrameFingerprint | None = None
        self.next_frame: FrameFingerprint | None = None

    async def run(self, capture: Capture, first: CapturedFrame | None, frames: range, next_frame: int | None) -> None:
        """Encodes ``first``, then draws and encodes each of ``frames``, and finishes the segment.

        ``next_frame`` is drawn too, but only fingerprinted.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._encode(capture, len(frames) + 1, next_frame))
                await self._images.put(first)
                for frame in frames:
                    image = await capture.draw(frame)
                    self.repeated += image is None
                    await self._images.put(image)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures.exceptions[0].__cause__

    async def _encode(self, capture: Capture, count: int, next_frame: int | None) -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(
            1, "encoder"
        ) as thread:  # leaving the block waits for it: nothing is written afterwards
            for _ in range(count):
                image = await self._images.get()
                if image:
                    await image.arrived()
                await loop.run_in_executor(thread, self._add, image)
                self._progress(len(self.hashes))
            await capture.finish()
            if next_frame is not None:
                image = await capture.draw(next_frame)
                if image:
                    await image.arrived()
                self.next_frame = await loop.run_in_executor(thread, self._fingerprint, image)
            await self._confirm()
            await loop.run_in_executor(thread, self._sink.finish)

    def _add(self, image: CapturedFrame | None) -> None:
        pixels = image.pixels() if image else None
        self._last = hash_pixels(pixels) if pixels else self._last
        if self.first is None:
            assert pixels, "a page's first frame has an image"
            self.first = FrameFingerprint.create(self._last, block_means(pixels))
        self._sink.add(pixels)
        self.hashes.append(self._last)

    def _fingerprint(self, image: CapturedFrame | None) -> FrameFingerprint:
        if image is None:
            return FrameFingerprint(hash=self._last)
        pixels = image.pixels()
        return FrameFingerprint.create(hash_pixels(pixels), block_means(pixels))


async def draw_still(spec: StillSpec, output: Path, workspace: Path) -> None:
    """Draws one frame into a PNG or JPEG, which appears whole or not at all."""
    async with _open(spec.composition, spec.capture, workspace) as page:
        capture = create_capture(spec.capture, page, spec.composition.fps)
        image = await draw_first(capture, spec.motion, spec.frame)
    assert isinstance(image, EncodedFrame), "stills are captured faithfully"
    part = output.with_name(output.name + ".part")
    part.write_bytes(image.file() if output.suffix == ".png" else _jpeg(image, spec.composition))
    part.replace(output)


def _jpeg(image: EncodedFrame, video: Composition) -> bytes:
    from helios.renderer.encode.codec import PixelConverter, new_context

    context = new_context(Encoding(codec="mjpeg"), video)
    frame = PixelConverter(context).convert(image.pixels())
    frame.pts = 0
    packets = cast("list[Packet[VideoStream]]", [*context.encode(frame), *context.encode(None)])
    return b"".join(map(bytes, packets))


def _open(composition: Composition, method: CaptureMethod, workspace: Path) -> AbstractAsyncContextManager[Page]:
    return open_page(
        composition.source,
        (composition.width, composition.height),
        method,
        workspace,
        composition.page,
    )
