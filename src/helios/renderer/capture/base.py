"""The interface of a capture method, and the control of the browser's frames."""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

from helios.composition import frame_time_ms
from helios.renderer.browser.devtools import CALL_TIMEOUT, Params
from helios.renderer.browser.page import Page
from helios.renderer.capture.frames import CapturedFrame


class Capture(Protocol):
    """Moves a page from frame to frame and takes its image."""

    async def warm_up(self) -> None:
        """Draws the page as it stands before frame 0."""
        ...

    async def step(self, frame: int, *, shown: bool = False) -> None:
        """Moves the page to ``frame`` without an image. ``shown``: what the next image is made of may come of it."""
        ...

    async def draw(self, frame: int) -> CapturedFrame | None:
        """Moves the page to ``frame`` and takes its image; None where nothing changed since the last."""
        ...

    async def finish(self) -> None:
        """Waits until nothing of what was drawn is under way in the browser."""
        ...


class FrameControl:
    """Begins each frame of a page at a time that we choose."""

    def __init__(self, page: Page, fps: Fraction, patience: float = CALL_TIMEOUT) -> None:
        """``patience`` is how long (s) a frame may take to be drawn."""
        self._page = page
        self._fps = fps
        self._patience = patience
        self._ticks_us = page.ticks_us + 1
        self._origin_us = page.ticks_us + 101

    async def move(self, frame: int) -> bool:
        """Moves the page's clock to ``frame``, which is started next.

        Returns whether other frames were started meanwhile (``Page.advance``).
        """
        time_ms = frame_time_ms(frame, self._fps)
        ticks = self._origin_us + round(time_ms * 1000)
        held = await self._page.advance(frame, time_ms, (ticks - self._page.ticks_us) / 1000)
        passed = max(0, self._page.ticks_us + 1 - ticks)
        self._origin_us += passed
        self._ticks_us = ticks + passed
        return held

    def nudge(self) -> None:
        """Has the next frame begin a microsecond on, so that animations do not move."""
        self._ticks_us += 1

    async def begin(self, *, show: bool = True, image: Params | None = None) -> str | None:
        """Begins a frame; its image, if one was asked for and given."""
        screenshot = {"screenshot": image} if image else {}
        answer = await self._page.begin_frame(
            self._ticks_us,
            timeout=self._patience,
            interval=float(1000 / self._fps),
            noDisplayUpdates=not show,
            **screenshot,
        )
        return answer.get("screenshotData")
