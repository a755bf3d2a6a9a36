"""Tries capture methods on frames of a video, to find the fastest that shows the page as the browser does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from helios.composition import Composition
from helios.errors import BrowserError, CaptureUnsafe, PageError, UsageError
from helios.renderer.browser.page import Page
from helios.renderer.capture.base import Capture
from helios.renderer.capture.faithful import BeginFrameCapture
from helios.renderer.capture.fast import BREAKDOWN
from helios.renderer.capture.frames import EncodedFrame
from helios.renderer.capture.stage import StageCapture
from helios.renderer.frame_diff import THRESHOLD, block_means, largest_difference, total_difference
from helios.renderer.messages import CaptureMethod, Comparison, Costs, Encoding, Motion

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

PageLoader = Callable[[tuple[int, int], CaptureMethod], Coroutine[None, None, Page]]
SHORT_VIDEO = 300
"""Up to this many frames, three are compared; one more for each further so many, at most nine."""


@dataclass(frozen=True, slots=True)
class TrialResult:
    """The capture method to use; the costs of a fast frame and the comparison, where there are any."""

    capture: CaptureMethod
    costs: Costs | None = None
    comparison: Comparison | None = None


class CaptureTrial:
    """Draws some frames of a composition, fast and faithfully."""

    def __init__(self, composition: Composition, load: PageLoader, encoding: Encoding | None) -> None:
        self._composition = composition
        self._load = load
        self._encoding = encoding
        self._drawn: list[VideoFrame] = []
        self._means: dict[int, bytes] = {}
        self.motion: Motion | None = None
        """How the page gets to a frame; set when a frame has been drawn fast."""

    async def draw_fast(self, staged: Awaitable[Page]) -> TrialResult:
        """Returns the best fast method and its costs. ``staged`` is the page for the method ``canvas``.

        Raises:
            CaptureUnsafe, PageError, BrowserError: they can't be drawn fast.
        """
        method, draw_ms = await self._draw_fast(staged)
        return TrialResult(method, Costs(draw_ms=draw_ms, encode_ms=await asyncio.to_thread(self._encode)))

    async def compare(self, staged: Awaitable[Page], faithful: BeginFrameCapture, fallback: TrialResult) -> TrialResult:
        """Returns the same as ``draw_fast`` if its frames agree with those of ``faithful``, otherwise ``fallback``.

        A page that can't be drawn fast is no error: the comparison has the reason.
        """
        await faithful.warm_up()
        shown = {0: await decode_block_means(await faithful.draw(0))}
        try:
            method, draw_ms = await self._draw_fast(staged)
        except BREAKDOWN:
            raise
        except (CaptureUnsafe, PageError, BrowserError) as error:
            return replace(fallback, comparison=make_comparison(reason=str(error)))
        encode_ms = asyncio.create_task(asyncio.to_thread(self._encode))  # beside the faithful frames
        frames = tuple(self._means)
        chosen = most_changing(frames, tuple(self._means.values()), -(-len(frames) // 2) + 1)
        for before, frame in pairwise(chosen):
            await self._step_between(faithful, before, frame)
            shown[frame] = await decode_block_means(await faithful.draw(frame)) or shown[before]
        differences = {frame: largest_difference(self._means[frame], shown[frame]) for frame in chosen}
        worst = max(chosen, key=lambda frame: differences[frame])
        reason = None
        if differences[worst] > THRESHOLD:
            reason = f"fast capture draws frame {worst} differently (a block differs by {differences[worst]} of 255)"
        costs = Costs(draw_ms=draw_ms, encode_ms=await encode_ms)
        compared = make_comparison(chosen, differences[worst], reason)
        return replace(fallback, costs=costs, comparison=compared) if reason else TrialResult(method, costs, compared)

    async def _draw_fast(self, staged: Awaitable[Page]) -> tuple[CaptureMethod, float]:
        """Returns the fast method that works, and the time (ms) to draw a frame with it."""
        try:
            return await self._draw_on(await staged)
        except CaptureUnsafe:  # its canvas may be translucent
            size = self._composition.width, self._composition.height
            return await self._draw_on(await self._load(size, "stage"))

    async def _draw_on(self, page: Page) -> tuple[CaptureMethod, float]:
        await self._check_encoder(page)
        stage = StageCapture(page, self._composition.fps)
        await stage.warm_up()
        self._drawn.clear()
        self._means.clear()
        times = [await self._draw(stage, 0)]
        direct = stage.direct
        self.motion = await page.motion()
        for before, frame in pairwise(probe_frames(self._composition.frames, self.motion)):
            await self._step_between(stage, before, frame)
            times.append(await self._draw(stage, frame))
            direct = direct or stage.direct
        await page.close()
        return "canvas" if direct else "stage", median(times[1:] or times)

    async def _check_encoder(self, page: Page) -> None:
        if not self._encoding or self._encoding.encoder != "browser":
            return
        from helios.renderer.encode.muxer import browser_settings

        video = self._composition
        settings = json.dumps(browser_settings(self._encoding, video.width, video.height, video.fps))
        if not (await page.evaluate(f"VideoEncoder.isConfigSupported({settings})"))["supported"]:
            raise UsageError(f"{page.browser} can't encode H.264 of {video.width}x{video.height}: --encoder ffmpeg")

    async def _draw(self, stage: StageCapture, frame: int) -> float:
        """Draws a frame and returns the time (ms) that it took."""
        started = time.perf_counter()
        image = await stage.draw(frame)
        took = (time.perf_counter() - started) * 1000
        if image:
            await image.arrived()
            self._drawn.append(await asyncio.to_thread(image.pixels))
        self._means[frame] = block_means(self._drawn[-1]) if image else next(reversed(self._means.values()))
        return took

    def _encode(self) -> float:
        from helios.renderer.encode.encoder import measure_encoding

        if self._encoding and self._encoding.encoder == "browser":
            return 0.0  # the browser encodes while it draws
        return measure_encoding(self._drawn, self._encoding, self._composition) if self._encoding else 0.0

    async def _step_between(self, capture: Capture, before: int, frame: int) -> None:
        """Steps through the frames between two frames, if the page needs it."""
        for between in range(before + 1, frame) if self.motion == "step" else ():
            await capture.step(between)


def make_comparison(
    frames: tuple[int, ...] = (), difference: int | None = None, reason: str | None = None
) -> Comparison:
    """Returns a comparison under the usual threshold: without frames, only the ``reason`` against fast capture."""
    return Comparison(frames=frames, difference=difference, threshold=THRESHOLD, reason=reason)


async def decode_block_means(image: EncodedFrame | None) -> bytes:
    """Returns the block means of a captured frame; empty without one."""
    if image is None:
        return b""
    return await asyncio.to_thread(lambda: block_means(image.pixels() if image.alpha else image.decode()))


def probe_frames(frames: int, motion: Motion) -> tuple[int, ...]:
    """Returns the frames to compare: spread evenly over the whole video, with the first and the last.

    A page that has to be stepped through would cost as much as the video itself, so only its first twentieth is.
    """
    last = frames - 1
    if motion == "step":
        last = min(last, max(10, frames // 20))
    count = min(3 + frames // SHORT_VIDEO, 9)
    return tuple(sorted({round(last * i / (count - 1)) for i in range(count)}))


def most_changing(frames: Sequence[int], means: Sequence[bytes], count: int) -> tuple[int, ...]:
    """Returns the first and the last of ``frames``, and those between that differ most from the one before."""
    inner = sorted(range(1, len(frames) - 1), key=lambda i: total_difference(means[i - 1], means[i]), reverse=True)
    return tuple(frames[i] for i in sorted({0, len(frames) - 1, *inner[: max(1, count - 2)]}))
