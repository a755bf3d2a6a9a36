"""The interface of a capture method, and the control of the browser's frames."""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

from helios.composition import frame_time_ms
from helios.renderer.browser.devtools import CALL_TIMEOUT, Params
from helios.renderer.browser.page import Page
from helios.renderer.capture.frames import CapturedFrame


class Capture(Protocol):
    """Moves a page from frame to frame and captures it."""

    async def warm_up(self) -> None:
        """Draws the page before frame 0."""
        ...

    async def step(self, frame: int, *, shown: bool = False) -> None:
        """Moves the page to ``frame`` without capturing it. ``shown``: draw it, as the next frame may depend on it."""
        ...

    async def draw(self, frame: int) -> CapturedFrame | None:
        """Moves the page to ``frame`` and captures it; None if nothing has changed since the last."""
        ...

    async def finish(self) -> None:
        """Waits until the browser has delivered all that it has drawn."""
        ...


class FrameControl:
    """Starts each frame of a page at a chosen time (DevTools' begin-frame control)."""

    def __init__(self, page: Page, fps: Fraction, timeout: float = CALL_TIMEOUT) -> None:
        """``timeout`` is the time (s) that the browser may take to draw a frame."""
        self._page = page
        self._fps = fps
        self._timeout = timeout
        self._ticks_us = page.ticks_us + 1
        self._origin_us = page.ticks_us + 101

    async def move(self, frame: int) -> bool:
        """Moves the page's clock to ``frame``, which ``begin`` then draws.

        Returns whether the browser drew other frames meanwhile (``Page.advance``).
        """
        time_ms = frame_time_ms(frame, self._fps)
        ticks = self._origin_us + round(time_ms * 1000)
        held = await self._page.advance(frame, time_ms, (ticks - self._page.ticks_us) / 1000)
        passed = max(0, self._page.ticks_us + 1 - ticks)
        self._origin_us += passed
        self._ticks_us = ticks + passed
        return held

    def nudge(self) -> None:
        """Puts the next frame a microsecond later, so that animations do not move."""
        self._ticks_us += 1

    async def begin(self, *, show: bool = True, image: Params | None = None) -> str | None:
        """Draws a frame and returns its image in base64, if requested and there is one."""
        screenshot = {"screenshot": image} if image else {}
        answer = await self._page.begin_frame(
            self._ticks_us,
            timeout=self._timeout,
            interval=float(1000 / self._fps),
            noDisplayUpdates=not show,
            **screenshot,
        )
        return answer.get("screenshotData")
