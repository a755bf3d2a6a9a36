"""A page moved and drawn one command at a time, so that each can be timed or left out."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.scenes import FPS, SIZE, composition
from helios.composition import frame_time_ms
from helios.renderer.cdp import Params
from helios.renderer.page import Page, open_page

_AHEAD_US = 10**11
"""How far frame 0 lies ahead of the browser's clock, which must never overtake a frame."""
FAST_PNG: Params = {"format": "png", "optimizeForSpeed": True}
"""What Helios takes its pictures with."""


class BarePage:
    """The same commands as ``helios.renderer.capture.BeginFrameCapture``, apart from each other."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._origin_us = int(time.monotonic() * 1e6) + _AHEAD_US
        self._ticks_us = self._origin_us - 2_000_000

    async def warm_up(self) -> None:
        """Draws until the renderer gives pictures."""
        for _ in range(2):
            await self.draw(FAST_PNG)

    async def move(self, frame: int) -> None:
        """The page's own work for a frame: its scripts, and animations put to their places."""
        time_ms = frame_time_ms(frame, FPS)
        ticks = self._origin_us + round(time_ms * 1000)
        await self.page.advance(frame, time_ms, (ticks - self._ticks_us) / 1000)
        self._ticks_us = ticks

    async def draw(self, picture: Params | None) -> str | None:
        """Draws what there is, and gives its picture if one is asked for. Drawn again, it is a moment later."""
        shot = {"screenshot": picture} if picture else {}
        ticks, self._ticks_us = self._ticks_us, self._ticks_us + 1
        answer = await self.page.call(
            "HeadlessExperimental.beginFrame",
            {"frameTimeTicks": ticks / 1000, "interval": float(1000 / FPS), "noDisplayUpdates": False, **shot},
        )
        return answer.get("screenshotData")


@asynccontextmanager
async def bare_page(scene: str, frames: int, workspace: Path) -> AsyncGenerator[BarePage]:
    """The scene in a browser of its own, ready for its first frame."""
    async with open_page(composition(scene, frames).source, SIZE, "begin-frame", workspace) as page:
        bare = BarePage(page)
        await bare.warm_up()
        yield bare
