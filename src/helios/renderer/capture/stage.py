"""Fast capture: the pixels of a canvas that the page is drawn into (renderer/stage)."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections import deque
from fractions import Fraction
from typing import Any

from helios.errors import BrowserError, CaptureUnsafe, HeliosError, PageError
from helios.renderer.browser.devtools import Params, ProtocolError
from helios.renderer.browser.page import BREAKOUT, Page
from helios.renderer.browser.ring import SLOTS
from helios.renderer.browser.scripts import STAGE
from helios.renderer.capture.base import FrameControl
from helios.renderer.capture.frames import EncodedPacket, RawFrame

_GRACE_S = 5.0
"""Seconds for which a browser may draw a frame on the stage, beside those that the page may take."""


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
        self._frames = FrameControl(page, fps, self._patience)
        self._room = asyncio.Semaphore(SLOTS)
        self._on_way: dict[int, RawFrame] = {}
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

    async def draw(self, frame: int) -> RawFrame | None:
        await self._room.acquire()
        if self._failure:
            raise self._failure
        outcome = await self._move(frame, armed=True)
        if unfit := await self._page.unfit():
            raise CaptureUnsafe(f"{unfit} (at frame {frame})")
        if outcome is None:
            self._room.release()
            if self._encodes:
                await self._page.evaluate(f"{STAGE}.repeatFrame()")
            return None
        if "error" in outcome:
            raise CaptureUnsafe(f"{outcome['error']} (at frame {frame})")
        if outcome["frame"] != frame:
            raise BrowserError(f"the stage drew frame {outcome['frame']} instead of {frame}")
        self.direct = outcome["direct"]
        image = RawFrame(self._ring, self._taken, frame, self._room.release)
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
                await self._page.evaluate(f"{STAGE}.setCapturing({'true' if armed else 'false'})")
                self._armed = armed
            await self._frames.move(frame)
            await self._frames.begin(show=False)
            if not armed:
                return None
            return await self._page.evaluate(f"{STAGE}.takeOutcome()", timeout=self._patience)
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
