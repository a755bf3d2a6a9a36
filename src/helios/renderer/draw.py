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
from helios.renderer.agreement import block_means
from helios.renderer.browser import open_page
from helios.renderer.capture import Capture, StageCapture, capture_with
from helios.renderer.fast import draw_safely
from helios.renderer.identity import identity
from helios.renderer.page import Page
from helios.renderer.picture import CodedPicture, Picture, hash_pixels
from helios.renderer.spec import CaptureMethod, ChunkReport, ChunkSpec, Encoding, Look, Motion, StillSpec

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

    from helios.renderer.segment import PixelSink, SegmentFile

Progress = Callable[[int, int], None]
"""Called with frames done and frames in all."""


async def draw_first(capture: Capture, motion: Motion, frame: int) -> Picture | None:
    """Brings a freshly loaded page to ``frame`` and draws it.

    A page that keeps state is stepped through every frame before; any other needs only its beginning, and the frame
    before: Chromium draws some layers by what it has of them already.
    """
    await capture.warm_up()
    before = range(frame) if motion == "step" else sorted({0, frame - 1} & set(range(frame)))
    for earlier in before:
        await capture.step(earlier, shown=earlier == frame - 1)
    return await capture.draw(frame)


async def draw_chunk(spec: ChunkSpec, segment: Path, workspace: Path, progress: Progress) -> ChunkReport:
    """Draws a chunk's frames into ``segment``, which appears whole or not at all.

    Raises:
        MissingTool, PageError, BrowserError, CaptureUnsafe, OutputError: what kept it from being drawn.
    """

    async def draw(folder: Path) -> ChunkReport:
        begun = time.monotonic()
        async with _open(spec.composition, spec.capture, folder) as page:
            return await draw_on(page, spec, segment, progress, begun)

    return await draw_safely(spec.capture, draw, workspace)


async def draw_on(
    page: Page, spec: ChunkSpec, segment: Path, progress: Progress, begun: float, *, index_first: bool = False
) -> ChunkReport:
    """As ``draw_chunk``, on a page that was loaded for it; ``begun`` is when that began (``time.monotonic``)."""
    _check(spec, page)
    from helios.renderer.segment import SegmentFile  # its libraries load while the browser starts

    fps = spec.composition.fps
    capture = capture_with(spec.capture, page, fps)
    with SegmentFile(segment, fps, index_first=index_first) as file:
        sink = await _sink(spec, file, capture)
        first = await draw_first(capture, spec.motion, spec.start)
        ready_ms = (time.monotonic() - begun) * 1000
        line = _Line(sink, page.confirm, lambda done: progress(done, spec.stop - spec.start))
        await line.run(capture, first, range(spec.start + 1, spec.stop), spec.stop if spec.seam else None)
    assert line.first, "a chunk has a frame"
    return ChunkReport(
        start=spec.start,
        stop=spec.stop,
        hashes=tuple(line.hashes),
        first=line.first,
        after=line.after,
        repeated=line.repeated,
        ready_ms=ready_ms,
        draw_ms=(time.monotonic() - begun) * 1000 - ready_ms,
        warnings=tuple(page.warnings),
        used=dict(page.used),
        foreign=page.foreign,
    )


def _check(spec: ChunkSpec, page: Page) -> None:
    """Makes sure that this is what the film was planned with."""
    if spec.browser not in (None, page.browser):
        raise WorkerRefused(f"this film was planned for {spec.browser}, and here is {page.browser}: render it anew")
    if spec.renderer not in (None, identity()):
        raise WorkerRefused("this film was planned by another version of Helios or of its encoders: render it anew")


async def _sink(spec: ChunkSpec, file: SegmentFile, capture: Capture) -> PixelSink:
    if spec.encoding.encoder == "browser":
        from helios.renderer.muxer import FrameMuxer, browser_settings

        assert isinstance(capture, StageCapture), "the browser encodes only what is drawn fast"
        film = spec.composition
        await capture.encode(browser_settings(spec.encoding, film.width, film.height, film.fps))
        return FrameMuxer(file, capture.encoded)
    from helios.renderer.encoder import FrameEncoder

    return FrameEncoder(file, spec.encoding, spec.composition, spec.encoder_threads, spec.start)


class _Line:
    """Draws frames and encodes them, side by side: some pictures are under way while the next is drawn."""

    _UNDER_WAY = 2

    def __init__(
        self, sink: PixelSink, confirm: Callable[[], Awaitable[None]], progress: Callable[[int], None]
    ) -> None:
        """``confirm`` is awaited before the segment is ended: if it raises an error, there is none."""
        self._sink = sink
        self._confirm = confirm
        self._last = ""
        self._progress = progress
        self._pictures = asyncio.Queue[Picture | None](self._UNDER_WAY)
        self.hashes: list[str] = []
        self.repeated = 0
        self.first: Look | None = None
        self.after: Look | None = None

    async def run(self, capture: Capture, first: Picture | None, frames: range, after: int | None) -> None:
        """Encodes ``first``, and then each of ``frames``, as they are drawn, to the end of the segment.

        The frame ``after`` is drawn too, but only looked at.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._encode(capture, len(frames) + 1, after))
                await self._pictures.put(first)
                for frame in frames:
                    picture = await capture.draw(frame)
                    self.repeated += picture is None
                    await self._pictures.put(picture)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures.exceptions[0].__cause__

    async def _encode(self, capture: Capture, count: int, after: int | None) -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "encoder") as thread:  # whose end is awaited: nothing is written after it
            for _ in range(count):
                picture = await self._pictures.get()
                if picture:
                    await picture.arrived()
                await loop.run_in_executor(thread, self._add, picture)
                self._progress(len(self.hashes))
            await capture.finish()
            if after is not None:
                picture = await capture.draw(after)
                if picture:
                    await picture.arrived()
                self.after = await loop.run_in_executor(thread, self._look, picture)
            await self._confirm()
            await loop.run_in_executor(thread, self._sink.finish)

    def _add(self, picture: Picture | None) -> None:
        pixels = picture.pixels() if picture else None
        self._last = hash_pixels(pixels) if pixels else self._last
        if self.first is None:
            assert pixels, "the first picture of a page repeats none"
            self.first = Look.of(self._last, block_means(pixels))
        self._sink.add(pixels)
        self.hashes.append(self._last)

    def _look(self, picture: Picture | None) -> Look:
        if picture is None:
            return Look(hash=self._last)
        pixels = picture.pixels()
        return Look.of(hash_pixels(pixels), block_means(pixels))


async def draw_still(spec: StillSpec, output: Path, workspace: Path) -> None:
    """Draws one frame into a PNG or JPEG, which appears whole or not at all."""
    async with _open(spec.composition, spec.capture, workspace) as page:
        capture = capture_with(spec.capture, page, spec.composition.fps)
        picture = await draw_first(capture, spec.motion, spec.frame)
    assert isinstance(picture, CodedPicture), "a still is drawn faithfully"
    part = output.with_name(output.name + ".part")
    part.write_bytes(picture.file() if output.suffix == ".png" else _jpeg(picture, spec.composition))
    part.replace(output)


def _jpeg(picture: CodedPicture, film: Composition) -> bytes:
    from helios.renderer.codec import Shaper, new_context

    context = new_context(Encoding(codec="mjpeg"), film)
    frame = Shaper(context).shaped(picture.pixels())
    frame.pts = 0
    packets = cast("list[Packet[VideoStream]]", [*context.encode(frame), *context.encode(None)])
    return b"".join(map(bytes, packets))


def _open(composition: Composition, method: CaptureMethod, workspace: Path) -> AbstractAsyncContextManager[Page]:
    return open_page(
        composition.source,
        (composition.width, composition.height),
        method,
        workspace,
        props=composition.props,
        ready_timeout=composition.ready_timeout,
        network=composition.network,
        alpha=composition.alpha,
        captions=composition.captions,
    )
