"""Requests of clients that block, each in a thread of its own, and the bytes that those send."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import BinaryIO, TypeVar

from helios.storage.objects import Moved

T = TypeVar("T")

SILENCE = 20.0
"""Seconds without a byte after which a client gives a connection up."""
CONNECTIONS = 32
"""Requests that are under way at the same time; more wait."""
SOCKET_OPTIONS = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_SNDBUF, 256 * 1024))
"""Small kernel buffers: bytes in them count as sent, though they have not moved yet."""

_here = threading.local()


async def in_thread(request: Callable[[], T], moved: Moved = lambda: None) -> T:
    """The response of a request. The waiting task can be cancelled immediately: the thread is left behind then, and
    can't hold up the end of the program. ``moved`` is called for every block of an ``Outgoing`` that it sends.
    """
    answer: Future[T] = Future()
    answer.set_running_or_notify_cancel()

    def ask() -> None:
        _here.moved = moved
        try:
            answer.set_result(request())
        except Exception as error:  # noqa: BLE001  it is raised where the answer is awaited
            answer.set_exception(error)

    threading.Thread(target=ask, name="store", daemon=True).start()
    return await asyncio.wrap_future(answer)


class Outgoing:
    """The body of a request made in ``in_thread``. It is sent in small blocks, and each counts as a move."""

    def __init__(self, body: bytes | BinaryIO) -> None:
        self._body = io.BytesIO(body) if isinstance(body, bytes) else body

    def read(self, size: int = -1) -> bytes:
        _here.moved()
        return self._body.read(size)

    def __iter__(self) -> Iterator[bytes]:
        while block := self.read(16 * 1024):
            yield block

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._body.seek(offset, whence)

    def tell(self) -> int:
        return self._body.tell()
