"""Waiting for the end of work that a cancellation can't interrupt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def end_of(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Waits until all have ended, even if this is cancelled meanwhile; the cancellation is raised then."""
    cancelled = False
    while pending := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def in_thread(work: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
    """Runs ``work`` in a thread. Unlike ``asyncio.to_thread``, it is never left while the thread is still at work, so
    what the thread uses may be closed afterwards.
    """
    # No task, for the end of the event loop cancels all tasks.
    running = asyncio.get_running_loop().run_in_executor(None, partial(work, *args, **more))
    try:
        await end_of([running])
    except asyncio.CancelledError:
        running.exception()  # else asyncio reports it as never retrieved
        raise
    return running.result()
