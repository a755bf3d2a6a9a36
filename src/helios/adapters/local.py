"""Jobs as child processes of this one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE, Process

from helios.adapters.base import LineSink
from helios.errors import CommandNotFound, WorkerError, WorkerTimeout
from helios.worker import WorkerJob, WorkerResult

GRACE = 5.0
"""Seconds between asking a process group to end (SIGTERM) and ending it (SIGKILL)."""
KEPT = 256 * 1024
"""Bytes of stdout, and of stderr, that a result holds."""


class LocalWorkerAdapter:
    """Runs each job as a child process in a process group of its own, never through a shell.

    On time-out or cancellation the whole group gets SIGTERM, and SIGKILL after ``grace`` seconds. Whatever of
    the group outlives its leader is killed too, so no grandchild is left behind.
    """

    def __init__(self, *, grace: float = GRACE, kept: int = KEPT) -> None:
        self._grace = grace
        self._kept = kept

    async def execute(self, job: WorkerJob, on_line: LineSink | None = None) -> WorkerResult:
        """Runs ``job`` here. See ``WorkerAdapter.execute``."""
        begun = time.monotonic()
        process = await self._start(job)
        assert process.stdout
        assert process.stderr
        tails = _Tail(self._kept, on_line), _Tail(self._kept, None)
        readers = asyncio.gather(tails[0].fill(process.stdout), tails[1].fill(process.stderr))
        try:
            async with asyncio.timeout(job.timeout):
                await process.wait()
        except TimeoutError:
            await self._end(process)
            await self._drain(readers)
            raise WorkerTimeout(
                f"{job.command} ran longer than its time-out of {job.timeout:g} s and was stopped: {job}",
                stdout=tails[0].text(),
                stderr=tails[1].text(),
            ) from None
        except asyncio.CancelledError:
            await asyncio.shield(self._end(process))
            readers.cancel()
            raise
        _kill(process.pid)
        await self._drain(readers)
        assert process.returncode is not None
        duration = (time.monotonic() - begun) * 1000
        return WorkerResult(process.returncode, tails[0].text(), tails[1].text(), duration)

    async def _start(self, job: WorkerJob) -> Process:
        program = shutil.which(job.command, path=job.env.get("PATH", os.defpath))
        if program is None:
            raise CommandNotFound(f"there is no command {job.command!r} here, or it may not be run")
        try:
            return await asyncio.create_subprocess_exec(
                program, *job.args, stdin=DEVNULL, stdout=PIPE, stderr=PIPE,
                env=dict(job.env), cwd=job.cwd, process_group=0,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise WorkerError(f"{job.command} can't be run: {error}") from error

    async def _end(self, process: Process) -> None:
        """The ladder: ask, wait, kill. Afterwards no process of the group is left."""
        _kill(process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(self._grace):
                await process.wait()
        except TimeoutError:
            pass
        _kill(process.pid)
        await process.wait()

    async def _drain(self, readers: asyncio.Future[tuple[None, None]]) -> None:
        """Waits for the ends of the pipes; a process that left the group may hold them open, but not for ever."""
        try:
            async with asyncio.timeout(self._grace):
                await readers
        except TimeoutError:
            readers.cancel()


def _kill(group: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):  # nobody of the group is left
        os.killpg(group, number)


class _Tail:
    """The end of a stream, and its lines as they come."""

    def __init__(self, kept: int, on_line: LineSink | None) -> None:
        self._kept = kept
        self._on_line = on_line
        self._data = bytearray()
        self._line = bytearray()
        self._dropped = 0

    async def fill(self, stream: asyncio.StreamReader) -> None:
        while data := await stream.read(65536):
            self._data += data
            if (extra := len(self._data) - self._kept) > self._kept:
                self._drop(extra)
            if self._on_line:
                self._tell(data, self._on_line)
        if self._line and self._on_line:
            self._on_line(_decode(self._line))

    def text(self) -> str:
        self._drop(max(0, len(self._data) - self._kept))
        note = f"[{self._dropped} bytes before this are left out]\n" if self._dropped else ""
        return note + _decode(self._data)

    def _drop(self, count: int) -> None:
        del self._data[:count]
        self._dropped += count

    def _tell(self, data: bytes, on_line: LineSink) -> None:
        *lines, rest = data.split(b"\n")
        for line in lines:
            on_line(_decode(self._line + line))
            self._line.clear()
        self._line += rest
        if len(self._line) > self._kept:
            on_line(_decode(self._line))
            self._line.clear()


def _decode(data: bytes | bytearray) -> str:
    return data.decode("utf-8", "surrogateescape")
