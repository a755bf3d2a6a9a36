"""What SIGINT, SIGTERM and SIGHUP do to a process of Helios: the first one stops its work, a second one ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(SystemExit):
    """A signal has stopped the work; ``code`` is the exit code that a shell expects then."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


@contextmanager
def interruptible() -> Generator[None]:
    """The first of the signals raises ``Stopped``, even while a prompt blocks an event loop."""
    with _first_signal(_leave):
        yield


@contextmanager
def stoppable() -> Generator[None]:
    """The first of the signals raises ``Stopped``; a second one ends the process immediately, even if a thread hangs.

    For a whole process, from its main thread.
    """
    _end_at_second()
    with _first_signal(_leave):
        yield


def run_stoppable(work: Coroutine[object, object, T]) -> T:
    """Runs ``work`` in an event loop. The first of the signals cancels it, so that it cleans up behind itself.

    Raises:
        Stopped: a signal has stopped it.
    """
    numbers: list[int] = []

    async def cancellable() -> T:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None

        def stop(number: int) -> None:
            numbers.append(number)
            loop.call_soon_threadsafe(task.cancel)

        with _first_signal(stop):
            return await work

    try:
        return asyncio.run(cancellable())
    except asyncio.CancelledError:
        if not numbers:
            raise
        raise Stopped(numbers[0]) from None


@contextmanager
def _first_signal(stop: Callable[[int], None]) -> Generator[None]:
    """Calls ``stop`` with the first of the signals; from then on the kernel ends the process. Ignored ones stay so."""

    def first(number: int, frame: FrameType | None) -> None:
        for each in former:
            signal.signal(each, signal.SIG_DFL)
        stop(number)

    handled = [number for number in _STOPS if signal.getsignal(number) is not signal.SIG_IGN]
    former = {number: signal.getsignal(number) for number in handled}
    for number in handled:
        signal.signal(number, first)
    try:
        yield
    finally:
        for number, handler in former.items():
            if signal.getsignal(number) is first:
                signal.signal(number, handler)


def _leave(number: int) -> None:
    raise Stopped(number)


def _end_at_second() -> None:
    """Watches for a second signal in a thread of its own: while the main thread hangs in C, no handler runs."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def watch() -> None:
        seen = 0
        while data := os.read(reader, 64):
            for number in data:
                seen += number in _STOPS
                if seen == 2:
                    os._exit(128 + number)

    threading.Thread(target=watch, name="helios-signals", daemon=True).start()
