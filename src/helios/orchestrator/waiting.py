"""Waiting for work that a cancellation can't interrupt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def wait_for_all(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Waits until all ``tasks`` are done, also if it is cancelled meanwhile; it raises the cancellation afterwards."""
    cancelled = False
    while pending := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def in_thread(work: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
    """Runs ``work`` in a thread. Unlike ``asyncio.to_thread``, it returns only when the thread has finished, also if it
    is cancelled. So the caller may then close what the thread uses.
    """
    # No task, for the end of the event loop cancels all tasks.
    running = asyncio.get_running_loop().run_in_executor(None, partial(work, *args, **more))
    try:
        await wait_for_all([running])
    except asyncio.CancelledError:
        running.exception()  # else asyncio reports it as never retrieved
        raise
    return running.result()
