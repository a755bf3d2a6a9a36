"""Taking a page's image, frame by frame. One method serves a whole job: methods are never mixed."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections import deque
from fractions import Fraction
from typing import Any, Protocol

from helios.composition import frame_time_ms
from helios.errors import BrowserError, CaptureUnsafe, HeliosError, PageError
from helios.renderer.browser.devtools import CALL_TIMEOUT, Params, ProtocolError
from helios.renderer.browser.page import BREAKOUT, Page
from helios.renderer.browser.ring import SLOTS
from helios.renderer.browser.scripts import STAGE
from helios.renderer.capture.images import CapturedImage, EncodedImage, EncodedPacket, RawImage
from helios.renderer.messages import CaptureMethod

EXACT: Params = {"format": "png", "optimizeForSpeed": True}
CHEAP: Params = {"format": "jpeg", "quality": 95, "optimizeForSpeed": True}
"""Images to look at, not to keep: half the work of exact ones."""
_GRACE_S = 5.0
"""Seconds for which a browser may draw a frame on the stage, beside those that the page may take."""


class Capture(Protocol):
    """Moves a page from frame to frame and takes its image."""

    async def warm_up(self) -> None:
        """Draws the page as it stands before frame 0."""
        ...

    async def step(self, frame: int, *, shown: bool = False) -> None:
        """Moves the page to ``frame`` without an image. ``shown``: what the next image is made of may come of it."""
        ...

    async def draw(self, frame: int) -> CapturedImage | None:
        """Moves the page to ``frame`` and takes its image; None where nothing changed since the last."""
        ...

    async def finish(self) -> None:
        """Waits until nothing of what was drawn is under way in the browser."""
        ...


class _BeginFrames:
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


class BeginFrameCapture:
    """Every frame is one ``HeadlessExperimental.beginFrame``.

    Asked for an image, Chromium reports damage always. So once an image was the same as the one before, the
    next frame is started without one first, and an image is taken only if the page changed its layers in it.
    """

    def __init__(self, page: Page, fps: Fraction, image: Params = EXACT) -> None:
        self._page = page
        self._frames = _BeginFrames(page, fps)
        self._image = image
        self._last: str | None = None
        self._still = False

    async def warm_up(self) -> None:
        image = None
        for _ in range(10):
            # Until the renderer has drawn for the first time, an image can be missing or blank: the first
            # one is only waited for, the second is true.
            first, image = image, await self._frames.begin(image=CHEAP)
            self._frames.nudge()
            if first and image:
                return
        raise BrowserError("the browser gives no image")

    async def step(self, frame: int, *, shown: bool = False) -> None:
        await self._frames.move(frame)
        await self._frames.begin(show=shown)

    async def draw(self, frame: int) -> EncodedImage | None:
        held = await self._frames.move(frame)  # what has changed then is known already, and not told again
        if self._still and self._page.reports_damage and not held:
            self._page.damaged = False
            await self._frames.begin()
            await self._page.place_when_drawn()  # its answer comes behind the news of what has changed
            if not self._page.damaged:
                return None
            self._frames.nudge()
        image = await self._frames.begin(image=self._image)
        if not image:
            raise BrowserError("the browser drew a frame but gave no image of it")
        self._still = image == self._last
        self._last = image
        return None if self._still else EncodedImage(image, alpha=self._page.alpha)

    async def finish(self) -> None:
        return


class ScreenshotCapture:
    """For browsers without begin-frame control: animations are held still and put in place by script."""

    def __init__(self, page: Page, fps: Fraction) -> None:
        self._page = page
        self._fps = fps

    async def warm_up(self) -> None:
        await self._screenshot()

    async def step(self, frame: int, *, shown: bool = False) -> None:
        await self._page.advance(frame, frame_time_ms(frame, self._fps), 0.0)
        if shown:
            await self._screenshot()

    async def draw(self, frame: int) -> EncodedImage:
        await self.step(frame)
        return EncodedImage(await self._screenshot(), alpha=self._page.alpha)

    async def _screenshot(self) -> str:
        answer = await self._page.call(
            "Page.captureScreenshot",
            {"format": "png", "optimizeForSpeed": True, "captureBeyondViewport": False},
        )
        return answer["data"]

    async def finish(self) -> None:
        return


class StageCapture:
    """The page is drawn into the stage's canvas, and its pixels come through the ring (stage/, ring.py).

    The image of a frame is still on its way when ``draw`` returns it. Chromium paints the canvas' content
    only where something in it has changed: a frame in which nothing has costs next to nothing.
    """

    def __init__(self, page: Page, fps: Fraction) -> None:
        assert page.ring, "the page stands on a stage"
        self._page = page
        self._ring = page.ring
        self._patience = page.ready_timeout + _GRACE_S
        self._frames = _BeginFrames(page, fps, self._patience)
        self._room = asyncio.Semaphore(SLOTS)
        self._on_way: dict[int, RawImage] = {}
        self._taken = 0
        self._written = 0
        self._armed = False
        self._failure: HeliosError | None = None
        self._encodes = False
        self.encoded = deque[EncodedPacket]()
        """Frames that the browser has encoded, until they are taken."""
        self.direct = False
        """Whether the last image was taken from the page's own canvas."""
        page.on_stage = self._on_stage
        page.on_loss = self._fail

    async def warm_up(self) -> None:
        for _ in range(2):
            await self._frames.begin()
            self._frames.nudge()

    async def encode(self, settings: Params) -> None:
        """Has the browser encode every frame that is drawn from here on."""
        self._encodes = True
        await self._page.evaluate(f"{STAGE}.encode({json.dumps(settings)})")

    async def finish(self) -> None:
        if self._encodes:
            self._encodes = False
            await self._page.evaluate(f"{STAGE}.finish()")
        if self._failure:
            raise self._failure

    async def step(self, frame: int, *, shown: bool = False) -> None:
        await self._move(frame, armed=False)

    async def draw(self, frame: int) -> RawImage | None:
        await self._room.acquire()
        if self._failure:
            raise self._failure
        outcome = await self._move(frame, armed=True)
        if unfit := await self._page.unfit():
            raise CaptureUnsafe(f"{unfit} (at frame {frame})")
        if outcome is None:
            self._room.release()
            if self._encodes:
                await self._page.evaluate(f"{STAGE}.repeat()")
            return None
        if "error" in outcome:
            raise CaptureUnsafe(f"{outcome['error']} (at frame {frame})")
        if outcome["frame"] != frame:
            raise BrowserError(f"the stage drew frame {outcome['frame']} instead of {frame}")
        self.direct = outcome["direct"]
        image = RawImage(self._ring, self._taken, frame, self._room.release)
        self._on_way[self._taken] = image
        self._taken += 1
        self._deliver()
        return image

    async def _move(self, frame: int, *, armed: bool) -> Any:
        """Moves the page to ``frame`` and returns what was taken of it, if anything is to be.

        The first frame is taken even if nothing changes in it.
        """
        try:
            if armed != self._armed:
                await self._page.evaluate(f"{STAGE}.arm({'true' if armed else 'false'})")
                self._armed = armed
            await self._frames.move(frame)
            await self._frames.begin(show=False)
            if not armed:
                return None
            return await self._page.evaluate(f"{STAGE}.outcome()", timeout=self._patience)
        except (PageError, ProtocolError) as error:
            if await self._page.on_its_stage():
                raise
            raise CaptureUnsafe(f"there is {BREAKOUT} (at frame {frame})") from error

    def _on_stage(self, message: Params) -> None:
        if "error" in message:
            self._fail(CaptureUnsafe(message["error"]))
        elif "packet" in message:
            self.encoded.append(EncodedPacket(b64decode(message["packet"]), message["key"]))
        else:
            self._written = message["sequence"] + 1
        self._deliver()

    def _fail(self, error: HeliosError) -> None:
        self._failure = error
        self._room.release()
        self._deliver()

    def _deliver(self) -> None:
        """The worker may be done with an image before we are told that it was taken."""
        if self._failure:
            for image in self._on_way.values():
                image.fail(self._failure)
        for sequence in [sequence for sequence in self._on_way if sequence < self._written]:
            self._on_way.pop(sequence).arrive()


def capture_with(method: CaptureMethod, page: Page, fps: Fraction) -> Capture:
    """The capture of that name, on ``page``."""
    match method:
        case "canvas" | "stage":
            return StageCapture(page, fps)
        case "begin-frame":
            return BeginFrameCapture(page, fps)
        case "screenshot":
            return ScreenshotCapture(page, fps)
