"""Taking a page's picture, frame by frame. One method serves a whole job: methods are never mixed."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Protocol

from helios.composition import frame_time_ms
from helios.errors import BrowserError
from helios.renderer.page import Page
from helios.renderer.spec import CaptureMethod


class Capture(Protocol):
    """Moves a page from frame to frame. Pictures are PNG, in base64 as the protocol carries them."""

    async def warm_up(self) -> str:
        """Draws the page as it stands before frame 0; the picture is what a first frame without damage repeats."""
        ...

    async def step(self, frame: int) -> None:
        """Moves the page to ``frame`` without a picture."""
        ...

    async def draw(self, frame: int) -> str | None:
        """Moves the page to ``frame`` and takes its picture; None where nothing changed since the last."""
        ...


class BeginFrameCapture:
    """Every frame is one ``HeadlessExperimental.beginFrame``, at a time that we choose.

    Frame times lie a day in the future of the browser's own clock, so that real time never passes them.

    Asked for a picture, Chromium reports damage always. So once a picture was the same as the one before, the
    next frame is begun without one first, and a picture is taken only if the page changed its layers in it.
    """

    _AHEAD_MS = 1e8

    def __init__(self, page: Page, fps: Fraction) -> None:
        self._page = page
        self._fps = fps
        self._origin_us = int((time.monotonic() * 1000 + self._AHEAD_MS) * 1000)
        self._last_us = self._origin_us - 100
        self._last_picture: str | None = None
        self._still = False

    async def warm_up(self) -> str:
        picture = None
        for _ in range(10):
            # Until the renderer has drawn for the first time, a picture can be missing or blank: the first
            # one is only waited for, the second is true.
            first, picture = picture, await self._begin_frame(self._last_us, picture=True)
            self._last_us += 1  # so that animations, which begin with the first picture, do not move
            if first and picture:
                return picture
        raise BrowserError("the browser gives no picture")

    async def step(self, frame: int) -> None:
        await self._begin_frame(await self._move(frame), show=False)

    async def draw(self, frame: int) -> str | None:
        ticks = await self._move(frame)
        if self._still and self._page.tells_damage:
            self._page.damaged = False
            await self._begin_frame(ticks)
            await self._page.place_when_drawn()  # its answer comes behind the news of what has changed
            if not self._page.damaged:
                return None
            ticks += 1
            self._last_us = ticks
        picture = await self._begin_frame(ticks, picture=True)
        if not picture:
            raise BrowserError("the browser drew a frame but gave no picture of it")
        self._still = picture == self._last_picture
        self._last_picture = picture
        return None if self._still else picture

    async def _move(self, frame: int) -> int:
        time_ms = frame_time_ms(frame, self._fps)
        ticks = self._origin_us + round(time_ms * 1000)
        await self._page.advance(frame, time_ms, (ticks - self._last_us) / 1000)
        self._last_us = ticks
        return ticks

    async def _begin_frame(self, ticks_us: int, *, show: bool = True, picture: bool = False) -> str | None:
        screenshot = {"screenshot": {"format": "png", "optimizeForSpeed": True}} if picture else {}
        answer = await self._page.call(
            "HeadlessExperimental.beginFrame",
            {
                "frameTimeTicks": ticks_us / 1000,
                "interval": float(1000 / self._fps),
                "noDisplayUpdates": not show,
                **screenshot,
            },
        )
        return answer.get("screenshotData")


class ScreenshotCapture:
    """For browsers without begin-frame control: animations are held still and put in place by script."""

    def __init__(self, page: Page, fps: Fraction) -> None:
        self._page = page
        self._fps = fps

    async def warm_up(self) -> str:
        return await self._screenshot()

    async def step(self, frame: int) -> None:
        await self._page.advance(frame, frame_time_ms(frame, self._fps), 0.0)

    async def draw(self, frame: int) -> str | None:
        await self.step(frame)
        return await self._screenshot()

    async def _screenshot(self) -> str:
        answer = await self._page.call(
            "Page.captureScreenshot",
            {"format": "png", "optimizeForSpeed": True, "captureBeyondViewport": False},
        )
        return answer["data"]


def capture_with(method: CaptureMethod, page: Page, fps: Fraction) -> Capture:
    """The capture of that name, on ``page``."""
    return BeginFrameCapture(page, fps) if method == "begin-frame" else ScreenshotCapture(page, fps)
