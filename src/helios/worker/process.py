"""Running a job as a child process of this one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable
from pathlib import Path

from helios.errors import CommandNotFound, WorkerError, WorkerTimeout
from helios.worker.job import Artifact, WorkerJob, WorkerResult

LineSink = Callable[[str], None]
"""Called with each line of stdout, without its line break, as soon as it arrives."""

GRACE = 0.7
"""Seconds between asking a process group to end (SIGTERM) and ending it (SIGKILL)."""
TAIL_BYTES = 256 * 1024
"""Bytes of stdout, and of stderr, that a result holds."""


class Flow:
    """The stdout of a running command. Its reader may pause it: the command then waits when it writes."""

    def __init__(self) -> None:
        self._pipe: asyncio.ReadTransport | None = None

    def open(self, pipe: asyncio.ReadTransport) -> None:
        """Notes that a command runs and writes into ``pipe``."""
        self._pipe = pipe

    def close(self) -> None:
        """Notes that the command has exited: the rest in the pipe is read without a pause."""
        self.resume()
        self._pipe = None

    def pause(self) -> None:
        """Reads no more for now."""
        if self._pipe:
            self._pipe.pause_reading()

    def resume(self) -> None:
        """Reads on."""
        if self._pipe and not self._pipe.is_closing():
            self._pipe.resume_reading()


class ChildProcess:
    """Runs jobs as child processes, each in a process group of its own, never through a shell.

    On time-out or cancellation the whole group gets SIGTERM, and SIGKILL after ``grace`` seconds. Processes of
    the group that outlive its leader are killed too, so no grandchild is left behind.
    """

    def __init__(
        self,
        *,
        grace: float = GRACE,
        tail_bytes: int = TAIL_BYTES,
        on_start: Callable[[int], None] = lambda group: None,
        flow: Flow | None = None,
    ) -> None:
        """``grace`` is in seconds, ``tail_bytes`` is the size of stdout, and of stderr, in a result;
        ``on_start`` gets the id of each process group.

        ``flow`` pauses the command that runs.
        """
        self._grace = grace
        self._tail_bytes = tail_bytes
        self._on_start = on_start
        self._flow = flow or Flow()

    async def run(self, job: WorkerJob, on_line: LineSink | None = None) -> WorkerResult:
        """Runs ``job`` until it exits. An error of ``on_line`` stops it.

        Raises:
            CommandNotFound: there is no such command.
            WorkerTimeout: it ran past the job's time-out.
            WorkerError: it could not be run for another reason.
        """
        started = time.monotonic()
        message = _Output(self._tail_bytes, on_line)
        transport = await self._start(job, message)
        group = transport.get_pid()
        self._on_start(group)
        stdout = transport.get_pipe_transport(1)
        assert isinstance(stdout, asyncio.ReadTransport)
        self._flow.open(stdout)
        try:
            async with asyncio.timeout(job.timeout):
                await message.news.wait()
            if message.error:
                await self._end(group, message)
            _kill(group)
            await self._drain(message)
        except TimeoutError:
            await self._end(group, message)
            await self._drain(message)
            raise WorkerTimeout(
                f"{job.command} ran longer than its time-out of {job.timeout:g} s and was stopped: {job}",
                stdout=message.stdout.text(),
                stderr=message.stderr.text(),
            ) from None
        except asyncio.CancelledError:
            await self._end(group, message)
            raise
        finally:
            message.over = True
            self._flow.close()
            transport.close()
        if message.error:
            raise message.error
        exit_code = transport.get_returncode()
        assert exit_code is not None
        outputs = await asyncio.to_thread(collect_outputs, job) if job.outputs else {}
        duration = (time.monotonic() - started) * 1000
        return WorkerResult(exit_code, message.stdout.text(), message.stderr.text(), duration, outputs)

    async def _start(self, job: WorkerJob, message: _Output) -> asyncio.SubprocessTransport:
        command = job.command
        if job.cwd and os.sep in command:  # relative to where it runs, as for a shell after cd
            command = str(job.cwd.absolute() / command)
        program = shutil.which(command, path=job.env.get("PATH", os.defpath))
        if program is None:
            raise CommandNotFound(f"there is no command {job.command!r} here, or it may not be run")
        starting = asyncio.ensure_future(
            asyncio.get_running_loop().subprocess_exec(
                lambda: message, program, *job.args, stdin=DEVNULL, stdout=PIPE, stderr=PIPE,
                env=dict(job.env), cwd=job.cwd, process_group=0,
            )
        )  # fmt: skip
        try:
            transport, _ = await asyncio.shield(starting)
        except (OSError, ValueError) as error:
            raise WorkerError(f"{job.command} can't be run: {error}") from error
        except asyncio.CancelledError:
            # Half started is started: asyncio would kill the leader alone.
            with contextlib.suppress(OSError, ValueError):
                transport, _ = await starting
                try:
                    await self._end(transport.get_pid(), message)
                finally:
                    transport.close()
            raise
        return transport

    async def _end(self, group: int, message: _Output) -> None:
        """The ladder: ask, wait, kill. Afterwards no process of the group is left, even if this is cancelled."""
        try:
            _kill(group, signal.SIGTERM)
            async with asyncio.timeout(self._grace):
                await message.exited.wait()
        except TimeoutError:
            pass
        finally:
            _kill(group)
            await message.exited.wait()

    async def _drain(self, message: _Output) -> None:
        """Waits for the ends of the pipes; a process that left the group may hold them open, but not for ever."""
        self._flow.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace):
                await message.silent.wait()


def _kill(group: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):  # the group is gone
        os.killpg(group, number)


class _Output(asyncio.SubprocessProtocol):
    """The output of a process. ``Process`` won't do: before Python 3.13 its wait() also waits for grandchildren
    that hold the pipes open.

    ``exited``: the leader has. ``silent``: so has every process that holds its pipes. ``error``: what
    ``on_line`` raised. ``news``: it has exited, or there is an error. ``over``: later output
    is dropped.
    """

    def __init__(self, tail_bytes: int, on_line: LineSink | None) -> None:
        self.stdout = _Tail(tail_bytes, on_line)
        self.stderr = _Tail(tail_bytes, None)
        self.exited = asyncio.Event()
        self.silent = asyncio.Event()
        self.news = asyncio.Event()
        self.error: Exception | None = None
        self.over = False

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._read(lambda: (self.stdout if fd == 1 else self.stderr).add(data))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._read((self.stdout if fd == 1 else self.stderr).end)

    def process_exited(self) -> None:
        self.exited.set()
        self.news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.silent.set()

    def _read(self, read: Callable[[], None]) -> None:
        if self.over or self.error:
            return
        try:
            read()
        except Exception as error:  # noqa: BLE001 - execute() raises it
            self.error = error
            self.news.set()


class _Tail:
    """The end of a stream, and its lines as they come."""

    def __init__(self, tail_bytes: int, on_line: LineSink | None) -> None:
        self._tail_bytes = tail_bytes
        self._on_line = on_line
        self._data = bytearray()
        self._line = bytearray()
        self._dropped = 0

    def add(self, data: bytes) -> None:
        self._data += data
        if (extra := len(self._data) - self._tail_bytes) > self._tail_bytes:
            self._drop(extra)
        if self._on_line:
            self._split(data, self._on_line)

    def end(self) -> None:
        if self._line and self._on_line:
            self._on_line(_decode(self._line))

    def text(self) -> str:
        self._drop(max(0, len(self._data) - self._tail_bytes))
        note = f"[{self._dropped} bytes before this are left out]\n" if self._dropped else ""
        return note + _decode(self._data)

    def _drop(self, count: int) -> None:
        del self._data[:count]
        self._dropped += count

    def _split(self, data: bytes, on_line: LineSink) -> None:
        *lines, rest = data.split(b"\n")
        for line in lines:
            on_line(_decode(self._line + line))
            self._line.clear()
        self._line += rest
        if len(self._line) > self._tail_bytes:
            on_line(_decode(self._line))
            self._line.clear()


def _decode(data: bytes | bytearray) -> str:
    return data.decode("utf-8", "surrogateescape")


def collect_outputs(job: WorkerJob) -> dict[str, Artifact]:
    """The outputs of a job that exist on this machine's disk. It blocks."""
    found: dict[str, Artifact] = {}
    for name, key in job.outputs.items():
        path = (job.cwd or Path()) / name
        if path.is_file():
            found[name] = Artifact.of(path, key)
    return found
