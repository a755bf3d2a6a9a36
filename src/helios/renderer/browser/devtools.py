"""The Chrome DevTools Protocol over the pipe that ``--remote-debugging-pipe`` opens.

Messages are JSON, each terminated by a NUL byte (chromium: content/browser/devtools/devtools_pipe_handler.cc).
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from helios.errors import BrowserError

CALL_TIMEOUT = 60.0
"""Seconds to wait for the response to a command."""

T = TypeVar("T")
Params = dict[str, Any]
Listener = Callable[[str, Params], None]
OnLoss = Callable[[BrowserError], None]


class ProtocolError(BrowserError):
    """The browser refused a command."""

    code = "protocol"


class ResponseTimeout(BrowserError):
    """The browser has not answered a command in time."""

    code = "unanswered"


class ProcessCrashed(BrowserError):
    """A process of the browser crashed; it was not killed."""

    code = "process-crashed"


class Connection:
    """One browser's DevTools connection. Each session's listener gets its events and its loss."""

    def __init__(
        self, reader: asyncio.StreamReader, incoming: asyncio.ReadTransport, outgoing: asyncio.WriteTransport
    ) -> None:
        self._reader = reader
        self._incoming = incoming
        self._outgoing = outgoing
        self._last_id = 0
        self._waiting: dict[int, asyncio.Future[Params]] = {}
        self._closed: BrowserError | None = None
        self._lost = asyncio.Event()
        self._pump = asyncio.create_task(self._receive())
        self._listeners: dict[str, tuple[Listener, OnLoss]] = {}

    def listen(self, session: str, listener: Listener, lost: OnLoss) -> None:
        """Calls ``listener`` with the method and parameters of each event of a session.

        ``lost`` is called when the browser is gone.
        """
        self._listeners[session] = listener, lost

    def ignore(self, session: str) -> None:
        """Removes the listener of a session."""
        self._listeners.pop(session, None)

    @classmethod
    async def open(cls, read_fd: int, write_fd: int) -> Connection:
        """Opens a connection over two pipe ends, which it then owns."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=1 << 30)
        incoming, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_fd, "rb")
        )
        outgoing, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(write_fd, "wb"))
        return cls(reader, incoming, outgoing)

    async def call(
        self,
        method: str,
        params: Params | None = None,
        *,
        session: str | None = None,
        timeout: float = CALL_TIMEOUT,
    ) -> Params:
        """Runs a command and returns its result.

        Raises:
            ProtocolError: the browser refused it.
            ResponseTimeout: it has not answered for ``timeout`` seconds.
            BrowserError: it is gone.
        """
        if self._closed:
            raise self._closed
        self._last_id += 1
        message: Params = {"id": self._last_id, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        answer: asyncio.Future[Params] = asyncio.get_running_loop().create_future()
        self._waiting[self._last_id] = answer
        self._outgoing.write(json.dumps(message).encode() + b"\0")
        try:
            async with asyncio.timeout(timeout):
                return await answer
        except TimeoutError:
            raise ResponseTimeout(f"the browser has not answered {method} for {timeout:g} s") from None
        finally:
            self._waiting.pop(message["id"], None)

    async def unless_lost(self, work: Coroutine[Any, Any, T]) -> T:
        """Returns the result of ``work``, which is cancelled when the browser is gone.

        Raises:
            BrowserError: it is gone.
        """
        tasks = asyncio.create_task(work), asyncio.create_task(self._lost.wait())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if self._closed:
                raise self._closed
            return await tasks[0]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Closes both pipe ends; the browser then exits."""
        if not self._outgoing.is_closing():
            self._outgoing.abort()
        self._incoming.close()
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)

    async def _receive(self) -> None:
        try:
            while True:
                message = json.loads((await self._reader.readuntil(b"\0"))[:-1])
                if "id" not in message:
                    self._event(message["method"], message.get("params", {}), message.get("sessionId", ""))
                elif (answer := self._waiting.get(message["id"])) and not answer.done():
                    if "error" in message:
                        answer.set_exception(ProtocolError(message["error"]["message"]))
                    else:
                        answer.set_result(message["result"])
        except (asyncio.IncompleteReadError, OSError):
            self.fail(BrowserError("the browser exited unexpectedly"))
        except Exception as error:
            self.fail(BrowserError(f"the browser sent an invalid message: {error!r}"))
            raise

    def _event(self, method: str, params: Params, session: str) -> None:
        if method == "Target.targetCrashed":
            if params["status"] == "killed":
                self.fail(BrowserError("the page's process was killed (out of memory, or by another process)"))
            else:
                self.fail(ProcessCrashed("the page's process crashed"))
        elif session in self._listeners:
            listener, _ = self._listeners[session]
            listener(method, params)

    def fail(self, error: BrowserError) -> None:
        """Marks the connection as lost: every pending call fails with ``error``. Later errors are ignored."""
        if self._closed:
            return
        self._closed = error
        self._lost.set()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(error)
        for _, lost in self._listeners.values():
            lost(error)
