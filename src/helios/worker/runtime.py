"""The stateless worker: a job contains everything that it needs, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote

from helios.errors import HeliosError, UsageError, WorkerRefused
from helios.storage import ArtifactStore
from helios.worker.commands import OWN, allowed_here, command_line
from helios.worker.isolation import hide, none_left
from helios.worker.job import WorkerResult
from helios.worker.message import Failure, Heartbeat, JobResponse, Payload
from helios.worker.process import ChildProcess, Flow, LineSink
from helios.worker.workspace import Bundles, check_paths, stage_out, workspace

_OWN_VARIABLES = (
    "PATH", "PYTHONPATH", "HELIOS_BROWSER", "HELIOS_FFMPEG", "HELIOS_NO_SANDBOX", "FONTCONFIG_FILE", "FONTCONFIG_PATH",
)  # fmt: skip
_FOLDER_VARIABLES = "HOME", "TMPDIR"
ALLOWED_VARIABLES = re.compile(r"LANG|LANGUAGE|LC_[A-Z]+|TZ")
"""Variables that a job may set for Helios' own commands. Others choose what code is run, or what is read."""
LOADING = re.compile(r"LD_\w+|GLIBC_TUNABLES|GCONV_PATH|PYTHON(PATH|HOME|USERBASE)|HELIOS_\w+")
"""Variables that have other code run than the command's own. No job may set them."""
_HEARTBEAT_S = 1.0
_QUIET_HEARTBEAT_S = 5.0
_TAIL = 20
_STDOUT_CHARACTERS = 64 * 1024


class Worker:
    """Runs jobs, one at a time, in new folders below ``folder``; nothing of one is visible to the next.

    It runs Helios' own commands, and the ``commands`` that its deployment allows. It uses artifacts below the URL
    ``store`` only, where one is given. ``cache`` is how many bytes of bundles it keeps. One that is ``alone`` in its
    process ends what a job has started even where that has left the job's process group.
    """

    def __init__(
        self,
        folder: Path,
        *,
        release: str,
        store: str | None = None,
        commands: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
        cache: int = 500_000_000,
        repro: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.release = release
        self.store = store
        self.commands = commands
        self._alone = repro
        self._bundles = Bundles(folder / "bundles", cache)

    async def run(
        self,
        payload: Payload,
        seconds: float | None = None,
        on_line: LineSink = lambda line: None,
        flow: Flow | None = None,
    ) -> JobResponse:
        """Runs a payload's job and returns its response; ``seconds`` limits the time.

        ``on_line`` gets each line of stdout; ``flow`` pauses the command. Cancelling stops it. A job that can't run is
        a ``failure`` in the response.
        """
        started = time.monotonic()
        watch = _Watch(on_line)
        try:
            result = await self._run(payload, seconds, watch, flow)
        except HeliosError as error:
            took = time.monotonic() - started
            return JobResponse(failure=Failure.of(error), seconds=took, memory_mb=watch.memory_mb)
        return result.model_copy(update={"seconds": time.monotonic() - started, "memory_mb": watch.memory_mb})

    async def _run(self, payload: Payload, seconds: float | None, watch: _Watch, flow: Flow | None) -> JobResponse:
        command = self.check(payload)
        store = ArtifactStore.at(payload.store)
        async with workspace(payload, store, self._bundles, self._folder) as folder:
            own = {name: os.environ[name] for name in _OWN_VARIABLES if name in os.environ}
            # HELIOS_WORKER: the renderer is to stay in its folder, and keeps pages away from this machine.
            env = {**own, **dict.fromkeys(_FOLDER_VARIABLES, str(folder)), **payload.env, "HELIOS_WORKER": "1"}
            # Before a job's own PATH counts for anything.
            program = shutil.which(command[0]) or command[0]
            job = payload.job(program, command[1:], env, folder)
            limits = [limit for limit in (payload.timeout, seconds) if limit is not None]
            job = replace(job, timeout=min(limits, default=None))
            async with _heartbeats(payload, store, watch) as stopped:
                with none_left() if self._alone else contextlib.nullcontext():
                    work = asyncio.create_task(ChildProcess(on_start=watch.started, flow=flow).run(job, watch.add))
                    result = await _unless(stopped, work)
            outputs = await stage_out(payload, folder, store) if result.exit_code == 0 else {}
            return JobResponse(
                exit_code=result.exit_code,
                lines=watch.lines,
                stdout=_utf8(result.stdout),
                stderr=_utf8(result.stderr),
                outputs=outputs,
                seconds=0.0,
                memory_mb=0.0,
            )

    def check(self, payload: Payload) -> tuple[str, ...]:
        """The command line for a payload.

        Raises:
            WorkerRefused: this worker does not run it.
        """
        if payload.release != self.release:
            raise WorkerRefused(
                f"the worker is Helios {self.release}, the job is of Helios {payload.release}: deploy that version"
            )
        if self.store and not _below(self.store, payload.store):
            raise WorkerRefused(f"the worker uses artifacts at {self.store}, and not at {payload.store}")
        line = command_line(payload.command, payload.args, self.commands)
        check_paths(payload)
        _check_variables(payload, own=payload.command in OWN)
        return line


def local_worker(release: str) -> Worker:
    """The worker that the environment of this process configures.

    ``HELIOS_STORE`` is the only store that it uses; ``HELIOS_COMMANDS`` names commands that it runs too, with commas
    between; ``HELIOS_CACHE_MB`` is how much of bundles it keeps; its folder is in ``TMPDIR``.

    Raises:
        UsageError: HELIOS_CACHE_MB is no number.
    """
    hide()
    cache_mb = os.environ.get("HELIOS_CACHE_MB", "500")
    if not cache_mb.isdecimal():
        raise UsageError(f"HELIOS_CACHE_MB is a number of MB, not {cache_mb!r}")
    return Worker(
        Path(os.environ.get("TMPDIR", "/tmp")) / "helios",
        release=release,
        store=os.environ.get("HELIOS_STORE"),
        commands=allowed_here(),
        cache=int(cache_mb) * 1_000_000,
        repro=True,
    )


def _below(store: str, url: str) -> bool:
    """Whether a store's URL is another's, or of a folder in it."""
    inside = f"{url.rstrip('/')}/".startswith(f"{store.rstrip('/')}/")
    return inside and not {".", ".."} & set(re.split(r"[/\\]", unquote(url)))


def _check_variables(payload: Payload, *, own: bool) -> None:
    """Makes sure that a payload's variables don't have a command run other code than its own.

    Raises:
        WorkerRefused: they do.
    """
    for name in payload.env:
        if LOADING.fullmatch(name) or (own and not ALLOWED_VARIABLES.fullmatch(name)):
            raise WorkerRefused(f"the worker lets no job set {name} for {payload.command}")


class Cancelled(WorkerRefused):
    """The caller has cancelled the job."""

    code = "cancelled"


@dataclass(slots=True)
class _Watch:
    """The output and memory of a running command."""

    on_line: LineSink
    started_at: float = field(default_factory=time.monotonic)
    lines: int = 0
    tail: deque[str] = field(default_factory=lambda: deque[str](maxlen=_TAIL))
    memory_mb: float = 0.0
    group: int | None = None

    def started(self, group: int) -> None:
        self.group = group

    def add(self, line: str) -> None:
        self.lines += 1
        message = _utf8(line)
        self.tail.append(message[:1000])
        self.on_line(message)

    def heartbeat(self) -> Heartbeat:
        if self.group is not None:
            self.memory_mb = max(self.memory_mb, _memory_mb(self.group))
        seconds = time.monotonic() - self.started_at
        return Heartbeat(lines=self.lines, tail=tuple(self.tail), seconds=seconds, memory_mb=self.memory_mb)


@asynccontextmanager
async def _heartbeats(payload: Payload, store: ArtifactStore, watch: _Watch) -> AsyncGenerator[asyncio.Event]:
    """Writes heartbeats of the command into the store for the length of the block, where the payload asks for them.

    The event is set when the caller has cancelled the job.
    """
    stopped = asyncio.Event()

    async def beat() -> None:
        reported, at = -1, 0.0
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            heartbeat = watch.heartbeat()
            if heartbeat.lines == reported and time.monotonic() - at < _QUIET_HEARTBEAT_S:
                continue
            reported, at = heartbeat.lines, time.monotonic()
            if payload.progress is None:
                continue
            with contextlib.suppress(HeliosError):  # the next beat may get through
                await store.put(payload.progress, heartbeat.model_dump_json().encode())
                if await store.has(f"{payload.progress}.stop"):
                    stopped.set()

    task = asyncio.create_task(beat())
    try:
        yield stopped
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _unless(stopped: asyncio.Event, work: asyncio.Task[WorkerResult]) -> WorkerResult:
    """The result of ``work``, which is cancelled when ``stopped`` is set."""
    waiting = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait([work, waiting], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait([work])
    if work.cancelled():
        raise Cancelled("the caller has cancelled the job")
    return work.result()


def _memory_mb(group: int) -> float:
    """What the processes of a group hold in memory that is theirs alone, in MB (Linux: proc(5))."""
    pages = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            if os.getpgid(int(process.name)) == group:
                _, resident, shared, *_ = (process / "statm").read_text().split()
                pages += int(resident) - int(shared)
    return pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000


def _utf8(text: str) -> str:
    """Text that JSON can hold, and not too much of it."""
    return text[-_STDOUT_CHARACTERS:].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
