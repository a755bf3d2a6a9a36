"""The time that a schedule goes by."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Time that passes, in seconds, and waiting for it."""

    def monotonic(self) -> float:
        """Seconds since some moment; they never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits so long."""
        ...


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        """See ``time.monotonic``."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See ``asyncio.sleep``."""
        await asyncio.sleep(seconds)
