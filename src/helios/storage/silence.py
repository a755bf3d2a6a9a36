"""A time-out that measures silence: it restarts whenever bytes move."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from helios.storage.objects import Moved


@asynccontextmanager
async def limited_silence(seconds: float) -> AsyncGenerator[Moved]:
    """Limits how long the block may go without a call of what it yields, which any thread may call.

    Raises:
        TimeoutError: nothing has moved for ``seconds``.
    """
    loop = asyncio.get_running_loop()
    last = time.monotonic()

    def moved() -> None:
        nonlocal last
        last = time.monotonic()

    async with asyncio.timeout(None) as limit:

        def look() -> None:
            nonlocal timer
            left = last + seconds - time.monotonic()
            if left > 0:
                timer = loop.call_later(left, look)
            else:
                limit.reschedule(loop.time())

        timer = loop.call_later(seconds, look)
        try:
            yield moved
        finally:
            timer.cancel()
