"""The look at a page that comes before anything is drawn: what it is, and how it can be captured."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from helios.composition import DEFAULT_SIZE, Composition, compose, parse_meta
from helios.errors import BrowserError, CaptureUnsafe, PageError
from helios.renderer.agreement import THRESHOLD, block_means, change, largest_difference
from helios.renderer.capture import Capture, StageCapture, capture_with
from helios.renderer.cdp import ProtocolError
from helios.renderer.page import Browser, Page, open_browser
from helios.renderer.spec import CaptureMethod, Comparison, Motion, Probe, ProbeSpec

_SHORT = 300
"""Frames of a film up to which three are compared; a longer one gets one more for as many again, to nine."""


async def probe(spec: ProbeSpec, workspace: Path) -> Probe:
    """Loads a page to learn what is to be drawn, and how.

    Where fast capture may be taken, the page is also put on the stage, and some frames are drawn both ways.

    Raises:
        UsageError: the settings don't make a film.
        MissingTool, PageError: it can't be drawn.
    """
    try:
        return await _probe(spec, "begin-frame", workspace / "begin-frame")
    except ProtocolError:
        return await _probe(spec, "screenshot", workspace / "screenshot")


async def _probe(spec: ProbeSpec, faithful: CaptureMethod, workspace: Path) -> Probe:
    staged = spec.capture != "faithful" and faithful == "begin-frame"
    size = (spec.declared.width or DEFAULT_SIZE[0], spec.declared.height or DEFAULT_SIZE[1])
    async with open_browser(spec.source, size, "stage" if staged else faithful, workspace) as browser:
        load = partial(browser.open, props=spec.props, ready_timeout=spec.ready_timeout)
        page = await load(size, faithful)
        composition = await _composition(spec, page)
        capture = capture_with(faithful, page, composition.fps)
        await capture.warm_up()
        comparison = None
        if staged and spec.capture == "auto":
            if size != (composition.width, composition.height):  # the page wants to be seen at its own size
                page = await browser.open(
                    (composition.width, composition.height),
                    faithful,
                    props=spec.props,
                    ready_timeout=spec.ready_timeout,
                )
                capture = capture_with(faithful, page, composition.fps)
                await capture.warm_up()
            comparing = _Comparing(browser, composition, capture)
            first = await comparing.first()
            motion = await page.motion()
            comparison = await comparing.run(first, motion)
        else:
            await capture.step(0)
            motion = await page.motion()
        fast = comparison.agree if comparison else staged
        return Probe(
            composition=composition,
            capture="stage" if fast else faithful,
            faithful=faithful,
            comparison=comparison,
            motion=motion,
            browser=page.browser,
            warnings=tuple(page.warnings),
        )


async def _composition(spec: ProbeSpec, page: Page) -> Composition:
    from helios.renderer.encoder import check_encoding

    content = await page.evaluate("document.querySelector('meta[name=helios]')?.content ?? ''")
    declared = spec.declared.over(parse_meta(content)).over(spec.fallback)
    composition = compose(spec.source, declared, props=spec.props, ready_timeout=spec.ready_timeout)
    if spec.encoding:
        check_encoding(spec.encoding, composition.width, composition.height, composition.fps)
    return composition


class _Comparing:
    """Draws some frames of a composition both ways."""

    def __init__(self, browser: Browser, composition: Composition, faithful: Capture) -> None:
        self._browser = browser
        self._composition = composition
        self._faithful = faithful

    async def first(self) -> bytes:
        """Frame 0 as the browser shows it."""
        return await self._see(self._faithful, 0)

    async def run(self, first: bytes, motion: Motion) -> Comparison:
        """What came of it. Whatever keeps the page from the stage is a reason against it, and no error."""
        composition = self._composition
        frames = probe_frames(composition.frames, motion)
        try:
            staged = await self._browser.open(
                (composition.width, composition.height),
                "stage",
                props=composition.props,
                ready_timeout=composition.ready_timeout,
            )
            capture = StageCapture(staged, composition.fps)
            await capture.warm_up()
            fast = await self._walk(capture, motion, frames, None)
        except (CaptureUnsafe, PageError, BrowserError) as error:
            return Comparison(frames=(), difference=None, threshold=THRESHOLD, reason=str(error))
        chosen = most_changing(frames, [fast[frame] for frame in frames], -(-len(frames) // 2) + 1)
        shown = await self._walk(self._faithful, motion, chosen, first)
        differences = {frame: largest_difference(fast[frame], shown[frame]) for frame in chosen}
        worst = max(chosen, key=lambda frame: differences[frame])
        reason = None
        if differences[worst] > THRESHOLD:
            reason = f"it would draw frame {worst} otherwise (by {differences[worst]} of 255 somewhere)"
        return Comparison(frames=chosen, difference=differences[worst], threshold=THRESHOLD, reason=reason)

    async def _walk(
        self, capture: Capture, motion: Motion, frames: Sequence[int], first: bytes | None
    ) -> dict[int, bytes]:
        """The block means of frames, in their order; those of frame 0 where it has been drawn already."""
        seen = {0: first or await self._see(capture, 0)}
        at, last = 0, 0
        for frame in frames[1:]:
            for between in range(at + 1, frame) if motion == "step" else ():
                await capture.step(between)
            seen[frame] = await self._see(capture, frame) or seen[last]
            at = last = frame
        return seen

    async def _see(self, capture: Capture, frame: int) -> bytes:
        picture = await capture.draw(frame)
        if picture is None:
            return b""
        await picture.arrived()
        return await asyncio.to_thread(lambda: block_means(picture.pixels()))


def probe_frames(frames: int, motion: Motion) -> tuple[int, ...]:
    """The frames to look at: evenly over the whole film, first and last among them.

    A page that has to be stepped through would cost as much as the film itself, so only its first twentieth is.
    """
    last = frames - 1
    if motion == "step":
        last = min(last, max(10, frames // 20))
    count = min(3 + frames // _SHORT, 9)
    return tuple(sorted({round(last * i / (count - 1)) for i in range(count)}))


def most_changing(frames: Sequence[int], means: Sequence[bytes], count: int) -> tuple[int, ...]:
    """The first and the last of ``frames``, and those between that differ most from the one before."""
    inner = sorted(range(1, len(frames) - 1), key=lambda i: change(means[i - 1], means[i]), reverse=True)
    return tuple(frames[i] for i in sorted({0, len(frames) - 1, *inner[: max(1, count - 2)]}))
