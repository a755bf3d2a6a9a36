"""Drawing: a chunk into a segment, one frame into a PNG, and the probe that comes before both."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from helios.composition import DEFAULT_SIZE, Composition, compose, parse_meta
from helios.renderer.capture import Capture, capture_with
from helios.renderer.cdp import ProtocolError
from helios.renderer.page import Page, open_page
from helios.renderer.spec import CaptureMethod, ChunkReport, ChunkSpec, Motion, Probe, ProbeSpec, StillSpec

Progress = Callable[[int, int], None]
"""Called with frames done and frames in all."""


async def draw_first(capture: Capture, motion: Motion, frame: int) -> str:
    """Brings a freshly loaded page to ``frame`` and draws it.

    A page that keeps state is stepped through every frame before; any other needs only its beginning.
    """
    blank = await capture.warm_up()
    before = range(frame) if motion == "step" else range(min(frame, 1))
    for earlier in before:
        await capture.step(earlier)
    return await capture.draw(frame) or blank


async def draw_chunk(spec: ChunkSpec, segment: Path, workspace: Path, progress: Progress) -> ChunkReport:
    """Draws a chunk's frames into ``segment``, which appears whole or not at all.

    Raises:
        MissingTool, PageError, BrowserError, OutputError: what kept it from being drawn.
    """
    composition = spec.composition
    begun = time.monotonic()
    hashes: list[str] = []
    repeated = 0
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, "encoder") as thread:
        async with _open(composition, spec.capture, workspace) as page:
            from helios.renderer.encoder import SegmentEncoder  # its libraries load while the browser starts

            capture = capture_with(spec.capture, page, composition.fps)
            picture: str | None = await draw_first(capture, spec.motion, spec.start)
            ready_ms = (time.monotonic() - begun) * 1000
            size = composition.width, composition.height
            with SegmentEncoder(segment, spec.encoding, *size, composition.fps) as encoder:
                encoded = loop.run_in_executor(thread, encoder.add, picture)
                for frame in range(spec.start + 1, spec.stop):
                    picture = await capture.draw(frame)
                    repeated += picture is None
                    hashes.append(await encoded)
                    progress(len(hashes), spec.stop - spec.start)
                    encoded = loop.run_in_executor(thread, encoder.add, picture)
                hashes.append(await encoded)
                await loop.run_in_executor(thread, encoder.finish)
            progress(len(hashes), len(hashes))
            return ChunkReport(
                start=spec.start,
                stop=spec.stop,
                hashes=tuple(hashes),
                repeated=repeated,
                ready_ms=ready_ms,
                draw_ms=(time.monotonic() - begun) * 1000 - ready_ms,
                warnings=tuple(page.warnings),
            )


async def draw_still(spec: StillSpec, output: Path, workspace: Path) -> None:
    """Draws one frame into a PNG, which appears whole or not at all."""
    async with _open(spec.composition, spec.capture, workspace) as page:
        capture = capture_with(spec.capture, page, spec.composition.fps)
        picture = await draw_first(capture, spec.motion, spec.frame)
    part = output.with_name(output.name + ".part")
    part.write_bytes(base64.b64decode(picture))
    part.replace(output)


async def probe(spec: ProbeSpec, workspace: Path) -> Probe:
    """Loads a page once to learn what is to be drawn, and how, before anything is.

    Raises:
        UsageError: the settings don't make a film.
        MissingTool, PageError: it can't be drawn.
    """
    try:
        return await _probe(spec, "begin-frame", workspace / "begin-frame")
    except ProtocolError:
        return await _probe(spec, "screenshot", workspace / "screenshot")


async def _probe(spec: ProbeSpec, method: CaptureMethod, workspace: Path) -> Probe:
    size = (spec.declared.width or DEFAULT_SIZE[0], spec.declared.height or DEFAULT_SIZE[1])
    async with open_page(
        spec.source, size, method, workspace, props=spec.props, ready_timeout=spec.ready_timeout
    ) as page:
        from helios.renderer.encoder import check_encoding

        content = await page.evaluate("document.querySelector('meta[name=helios]')?.content ?? ''")
        declared = spec.declared.over(parse_meta(content)).over(spec.fallback)
        composition = compose(spec.source, declared, props=spec.props, ready_timeout=spec.ready_timeout)
        if spec.encoding:
            check_encoding(spec.encoding, composition.width, composition.height, composition.fps)
        capture = capture_with(method, page, composition.fps)
        await capture.warm_up()
        await capture.step(0)
        return Probe(
            composition=composition,
            capture=method,
            motion=await page.motion(),
            browser=page.browser,
            warnings=tuple(page.warnings),
        )


def _open(composition: Composition, method: CaptureMethod, workspace: Path) -> AbstractAsyncContextManager[Page]:
    return open_page(
        composition.source,
        (composition.width, composition.height),
        method,
        workspace,
        props=composition.props,
        ready_timeout=composition.ready_timeout,
    )
