"""The processes of a running browser: none of them may die while a page is drawn.

A page does not notice when a process that served it dies. When the network service dies, Chromium starts another one
and cancels the loads that were under way, as if the page had cancelled them: their images are missing from the video.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from helios.errors import BrowserError
from helios.renderer.browser.devtools import Connection, Params, ProcessCrashed, ProtocolError, ResponseTimeout

_KILLED, _CRASHED = "ChildProcess.Killed2", "ChildProcess.Crashed2"
"""Chromium counts processes that crashed or were killed, by their kind. Idle services and processes of closed pages
exit normally. Renderers are not counted: DevTools reports their crashes.
Source: chromium, content/browser/browser_child_process_host_impl.cc"""
_KINDS = {6: "a service process", 9: "the GPU process"}
"""Chromium's numbers for kinds of processes: content/public/common/process_type.h"""
_INTERVAL_S = 0.5
_PATIENCE_S = 30.0
_EXITING = 0x4  # PF_EXITING in linux/sched.h


class Processes:
    """Watches the processes of the browser ``pid``."""

    def __init__(self, connection: Connection, pid: int) -> None:
        self._connection = connection
        self._pid = pid
        self._zygotes = [child for child in _children(pid) if b"--type=zygote" in _command_line(child)]

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None]:
        """Fails the connection as soon as a process dies, for the duration of the block."""
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def check(self) -> None:
        """Checks that every process of the browser lives, or has exited normally.

        Raises:
            ProcessCrashed: one has crashed.
            BrowserError: one was killed, or the browser is gone.
        """
        await self._wait_for_news()
        if any(map(_has_exited, self._zygotes)):
            raise BrowserError("the process from which the browser starts others has died")
        if kind := await self._find_counted(_CRASHED):
            raise ProcessCrashed(f"{kind} of the browser crashed")
        if kind := await self._find_counted(_KILLED):
            raise BrowserError(f"{kind} of the browser was killed (out of memory, or by another process)")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL_S)
            try:
                await self.check()
            except ResponseTimeout:
                pass  # each command has its own timeout
            except BrowserError as error:
                self._connection.fail(error)
                return

    async def _wait_for_news(self) -> None:
        """Waits until the browser knows of every process that has exited."""
        deadline = time.monotonic() + _PATIENCE_S
        while any(map(_has_exited, await self._pids())):
            if time.monotonic() > deadline:
                raise BrowserError("the browser does not notice that one of its processes has died")
            await asyncio.sleep(0.01)

    async def _pids(self) -> list[int]:
        """Returns the processes that the browser lists; none in a container, where it has other numbers for them."""
        found = await self._call("SystemInfo.getProcessInfo")
        pids = [process["id"] for process in found.get("processInfo", [])]
        return pids if self._pid in pids else []

    async def _find_counted(self, name: str) -> str | None:
        """Returns the kind of a process in that histogram, if there is any."""
        found = await self._call("Browser.getHistograms", {"query": name})
        for histogram in found.get("histograms", []):
            for bucket in histogram["buckets"] if histogram["name"] == name else ():
                return _KINDS.get(bucket["low"], "a process")
        return None

    async def _call(self, method: str, params: Params | None = None) -> Params:
        """Returns the result of a command; empty from a browser without it."""
        try:
            return await self._connection.call(method, params)
        except ProtocolError:
            return {}


def _children(pid: int) -> list[int]:
    """Returns the child processes of ``pid``, where the system reports them (Linux)."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _has_exited(pid: int) -> bool:
    """Whether a process has exited or is exiting: it closes its files before its exit is visible."""
    if sys.platform != "linux":
        return False
    try:
        state, *_, flags = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:7]
    except OSError:
        return True
    return state in "ZX" or bool(int(flags) & _EXITING)
