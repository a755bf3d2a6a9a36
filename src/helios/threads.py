"""Blocking work in threads that nobody has to wait for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_daemon(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What ``function`` returns or raises, run in a daemon thread.

    When this is cancelled, the thread is left to itself. No end of a loop or of the process waits for it, unlike the
    threads of ``asyncio.to_thread``: it may hang in a request that nothing can interrupt.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(settled: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(lambda: outcome.done() or settled())

    def work() -> None:
        try:
            found = function(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - whoever awaits it gets it
            failure = error
            settle(lambda: outcome.set_exception(failure))
        else:
            settle(lambda: outcome.set_result(found))

    threading.Thread(target=work, daemon=True).start()
    return await outcome
