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

_DRAW_TIMEOUT_S = 5.0
"""Seconds that the browser may take to draw a frame on the stage, beyond the page's own time."""


class StageCapture:
    """Draws the page into the stage's canvas and reads the pixels from the ring (stage/, ring.py).

    ``draw`` returns a frame whose pixels are still in transit. Chromium paints the canvas' content only if it has
    changed, so an unchanged frame costs almost nothing.
    """

    def __init__(self, page: Page, fps: Fraction) -> None:
        assert page.ring, "the page is on a stage"
        self._page = page
        self._ring = page.ring
        self._timeout = page.ready_timeout + _DRAW_TIMEOUT_S
        self._frames = FrameControl(page, fps, self._timeout)
        self._free_slots = asyncio.Semaphore(SLOTS)
        self._in_transit: dict[int, RawFrame] = {}
        self._taken = 0
        self._written = 0
        self._armed = False
        self._failure: HeliosError | None = None
        self._encodes = False
        self.encoded = deque[EncodedPacket]()
        """Frames that the browser has encoded and the muxer has not written."""
        self.direct = False
        """Whether the last frame was read from the page's own canvas."""
        page.on_stage = self._on_stage
        page.on_loss = self._fail

    async def warm_up(self) -> None:
        for _ in range(2):
            await self._frames.begin()
            self._frames.nudge()

    async def encode(self, settings: Params) -> None:
        """Makes the browser encode every frame from now on."""
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
        await self._free_slots.acquire()
        if self._failure:
            raise self._failure
        outcome = await self._move(frame, armed=True)
        if unsupported := await self._page.find_unsupported():
            raise CaptureUnsafe(f"{unsupported} (at frame {frame})")
        if outcome is None:
            self._free_slots.release()
            if self._encodes:
                await self._page.evaluate(f"{STAGE}.repeatFrame()")
            return None
        if "error" in outcome:
            raise CaptureUnsafe(f"{outcome['error']} (at frame {frame})")
        if outcome["frame"] != frame:
            raise BrowserError(f"the stage drew frame {outcome['frame']} instead of {frame}")
        self.direct = outcome["direct"]
        image = RawFrame(self._ring, self._taken, frame, self._free_slots.release)
        self._in_transit[self._taken] = image
        self._taken += 1
        self._deliver()
        return image

    async def _move(self, frame: int, *, armed: bool) -> Any:
        """Moves the page to ``frame`` and, if ``armed``, returns the stage's outcome; None if nothing has changed.

        The first frame is captured even if nothing changes in it.
        """
        try:
            if armed != self._armed:
                await self._page.evaluate(f"{STAGE}.setCapturing({'true' if armed else 'false'})")
                self._armed = armed
            await self._frames.move(frame)
            await self._frames.begin(show=False)
            if not armed:
                return None
            return await self._page.evaluate(f"{STAGE}.takeOutcome()", timeout=self._timeout)
        except (PageError, ProtocolError) as error:
            if await self._page.is_on_stage():
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
        self._free_slots.release()
        self._deliver()

    def _deliver(self) -> None:
        """Marks frames as arrived. The worker may finish a frame before ``draw`` has its outcome."""
        if self._failure:
            for image in self._in_transit.values():
                image.fail(self._failure)
        for sequence in [sequence for sequence in self._in_transit if sequence < self._written]:
            self._in_transit.pop(sequence).arrive()
