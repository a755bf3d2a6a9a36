"""The clock of a schedule."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """A clock, in seconds."""

    def monotonic(self) -> float:
        """Seconds since a fixed moment; never decreases."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits for ``seconds``."""
        ...


class SystemClock:
    """The machine's clock."""

    def monotonic(self) -> float:
        """See ``time.monotonic``."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See ``asyncio.sleep``."""
        await asyncio.sleep(seconds)
