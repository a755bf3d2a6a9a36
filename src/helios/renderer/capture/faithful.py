"""Faithful capture: the browser's own images of the page, as PNG or JPEG."""

from __future__ import annotations

from fractions import Fraction

from helios.composition import frame_time_ms
from helios.errors import BrowserError
from helios.renderer.browser.devtools import Params
from helios.renderer.browser.page import Page
from helios.renderer.capture.base import FrameControl
from helios.renderer.capture.frames import EncodedFrame

EXACT: Params = {"format": "png", "optimizeForSpeed": True}
CHEAP: Params = {"format": "jpeg", "quality": 95, "optimizeForSpeed": True}
"""Settings for images that are only compared: half the work of exact ones."""


class BeginFrameCapture:
    """Draws every frame with one ``HeadlessExperimental.beginFrame``.

    With an image, Chromium always reports damage. So once an image equals the one before, the next frame is first drawn
    without one, and captured only if it has changed the page's layers.
    """

    def __init__(self, page: Page, fps: Fraction, image: Params = EXACT) -> None:
        self._page = page
        self._frames = FrameControl(page, fps)
        self._image = image
        self._last: str | None = None
        self._still = False

    async def warm_up(self) -> None:
        image = None
        for _ in range(10):
            # Until the page has been drawn for the first time, an image can be missing or blank: the first only
            # shows that it was drawn.
            first, image = image, await self._frames.begin(image=CHEAP)
            self._frames.nudge()
            if first and image:
                return
        raise BrowserError("the browser returned no image of the page")

    async def step(self, frame: int, *, shown: bool = False) -> None:
        await self._frames.move(frame)
        await self._frames.begin(show=shown)

    async def draw(self, frame: int) -> EncodedFrame | None:
        held = await self._frames.move(frame)  # the browser does not report changes in held frames again
        if self._still and self._page.reports_damage and not held:
            self._page.damaged = False
            await self._frames.begin()
            await self._page.place_when_drawn()  # its answer arrives after the report of damage
            if not self._page.damaged:
                return None
            self._frames.nudge()
        image = await self._frames.begin(image=self._image)
        if not image:
            raise BrowserError("the browser drew a frame but returned no image of it")
        self._still = image == self._last
        self._last = image
        return None if self._still else EncodedFrame(image, alpha=self._page.alpha)

    async def finish(self) -> None:
        return


class ScreenshotCapture:
    """Takes screenshots, for browsers without begin-frame control: scripts pause animations and set their times."""

    def __init__(self, page: Page, fps: Fraction) -> None:
        self._page = page
        self._fps = fps

    async def warm_up(self) -> None:
        await self._screenshot()

    async def step(self, frame: int, *, shown: bool = False) -> None:
        await self._page.advance(frame, frame_time_ms(frame, self._fps), 0.0)
        if shown:
            await self._screenshot()

    async def draw(self, frame: int) -> EncodedFrame:
        await self.step(frame)
        return EncodedFrame(await self._screenshot(), alpha=self._page.alpha)

    async def _screenshot(self) -> str:
        answer = await self._page.call(
            "Page.captureScreenshot",
            {"format": "png", "optimizeForSpeed": True, "captureBeyondViewport": False},
        )
        return answer["data"]

    async def finish(self) -> None:
        return
