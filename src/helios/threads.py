"""Work in other threads: blocking calls, and coroutines with an event loop of their own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_daemon(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs ``function`` in a daemon thread and returns its result.

    Cancelling does not stop the thread. Neither the loop nor the process waits for it at exit, unlike the threads of
    ``asyncio.to_thread``: it may hang in a request that nothing can interrupt.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(settled: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(lambda: outcome.done() or settled())

    def work() -> None:
        try:
            found = function(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - the caller gets it
            failure = error
            settle(lambda: outcome.set_exception(failure))
        else:
            settle(lambda: outcome.set_result(found))

    threading.Thread(target=work, daemon=True).start()
    return await outcome


async def in_own_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs ``work`` in a thread with an event loop of its own: nothing in it blocks the caller's loop.

    Cancelling cancels ``work`` and waits until it has cleaned up.
    """
    inner = _InnerLoop[T]()
    running = asyncio.create_task(in_daemon(copy_context().run, inner.run, work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        if not running.done():
            inner.cancel()
            await asyncio.wait([running])
            _ = running.cancelled() or running.exception()  # or asyncio reports it as never retrieved
        raise


def run_sync(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs ``work`` and returns its result, also where this thread has a running event loop, which is then blocked."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    inner = _InnerLoop[T]()
    with ThreadPoolExecutor(1) as thread:
        outcome = thread.submit(copy_context().run, inner.run, work)
        try:
            return outcome.result()
        except BaseException:
            inner.cancel()  # after KeyboardInterrupt in this thread it is still running
            raise


class _InnerLoop(Generic[T]):
    """An event loop in this thread, whose work another thread can cancel."""

    def __init__(self) -> None:
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async def cancellable() -> T:
            task = asyncio.current_task()
            assert task is not None
            self._started.set_result((asyncio.get_running_loop(), task))
            return await work()

        return asyncio.run(cancellable())

    def cancel(self) -> None:
        def cancel_started(started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]]) -> None:
            loop, task = started.result()
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(task.cancel)

        self._started.add_done_callback(cancel_started)
