"""Running a job from the journal: in this process, or in one that is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from helios.adapters import LocalTarget, LocalWorkerAdapter, check_portable, check_target, open_adapter
from helios.adapters.faults import FaultInjectingAdapter, Faults
from helios.errors import ChunkFailed, HeliosError, JobFailed, JobStopped, OutputError, UsageError
from helios.jobs.journal import Journal
from helios.jobs.retention import forget_ended, kept_bytes, prune
from helios.jobs.spec import JobSpec
from helios.jobs.states import Step
from helios.jobs.webhook import Webhook
from helios.orchestrator import RenderEvent, RenderFinished, RenderOrchestrator, RenderResult, WorkerPool
from helios.orchestrator.events import (
    ChunkCached,
    ChunkFinished,
    ChunkProgressed,
    CommandsPlanned,
    EventSink,
    RenderPlanned,
    WarningIssued,
)
from helios.orchestrator.retry import RetryPolicy
from helios.stitcher import FfmpegStitcher, VideoStitcher, create_stitcher
from helios.storage import ArtifactStore

_BEAT = 0.2  # seconds between looks at what is wanted, and between writes


async def run_job(
    journal: Journal, job: str, emit: EventSink = lambda event: None, *, inject: str | None = None
) -> RenderResult:
    """Runs a job, or goes on with it, until it is done, fails, or somebody wants it to stop.

    However it ends, the journal says so, and no process of it is left; what is made is kept. ``inject`` has things go
    wrong on purpose: see ``Faults.parse``.

    Raises:
        UsageError: it is being run already.
        JobStopped: it was paused or cancelled.
        HeliosError: what else ended it.
    """
    spec = journal.spec(job)
    if inject and any(not isinstance(place, LocalTarget) for place in spec.targets):
        raise UsageError("faults can only be injected on this machine")
    for target in spec.targets:
        check_target(target)
    faulty = FaultInjectingAdapter(Faults.parse(inject)) if inject else None
    kept_bytes()  # what it says may be wrong: better now than afterwards
    with journal.running(job):
        journal.step(job, "start")
        workspace = journal.folder / "work" / job
        end_all_in(workspace)
        shutil.rmtree(workspace, ignore_errors=True)
        workspace.mkdir(parents=True)
        try:
            async with AsyncExitStack() as telling:
                recorder = await telling.enter_async_context(Recorder(journal, job))

                def show(event: RenderEvent) -> None:
                    recorder.add(event)
                    emit(event)

                def warn(message: str) -> None:
                    show(WarningIssued(message=message))

                webhook = await telling.enter_async_context(Webhook(spec.webhook, job, warn))
                webhook.tell("started", {})

                async def work() -> RenderResult:
                    store = open_store(journal, spec, faulty.before_request if faulty else None)
                    await _describe(store, job, spec)
                    here = LocalWorkerAdapter()
                    async with AsyncExitStack() as stack:
                        pools = [
                            WorkerPool(await stack.enter_async_context(open_adapter(place)), place.workers)
                            for place in spec.targets
                        ]
                        orchestrator = RenderOrchestrator(
                            faulty or here,
                            _stitcher(spec, here),
                            store,
                            workspace=workspace,
                            retry=RetryPolicy(maximum_attempts=spec.attempts),
                            here=here,
                            pools=() if faulty else pools,
                        )
                        return await orchestrator.render(
                            spec.plan,
                            spec.output,
                            show,
                            job=job,
                            fresh=spec.fresh,
                            stitch=spec.stitch,
                            audio=spec.audio,
                            hls=spec.hls,
                            text=spec.text,
                        )

                rendered = await _watched(journal, job, asyncio.create_task(work()), recorder, webhook)
        finally:
            shutil.rmtree(workspace, ignore_errors=True)
    forget_ended(journal)
    if spec.store is None:
        await asyncio.to_thread(prune, journal.folder)
    return rendered


def _stitcher(spec: JobSpec, here: LocalWorkerAdapter) -> VideoStitcher:
    """Who joins the chunks; where a command of the job's own does, the output may be of any kind."""
    if spec.commands and spec.commands.merge:
        return FfmpegStitcher(here)
    return create_stitcher(spec.output, here, spec.plan.parts[0].start)


async def _watched(
    journal: Journal, job: str, work: asyncio.Task[RenderResult], recorder: Recorder, webhook: Webhook
) -> RenderResult:
    """What comes of ``work``, which ends early if that is wanted; the journal and the webhook are told."""
    step: Step = "pause"
    try:
        while not work.done():
            await asyncio.wait([work], timeout=_BEAT)
            if not work.done() and (wanted := journal.wanted(job)):
                step = wanted
                work.cancel()
                await asyncio.wait([work])
        rendered = work.result()
    except asyncio.CancelledError:
        ours = work.cancelled()
        work.cancel()
        await asyncio.wait([work])
        recorder.flush()
        state = journal.step(job, step)
        webhook.hurry()
        webhook.tell(state, {})
        if ours:
            raise JobStopped(f"job {job} was {state}: helios job resume {job} goes on with it") from None
        raise
    except HeliosError as error:
        recorder.flush()
        journal.step(job, "fail", str(error), error.code)
        webhook.tell("failed", {"code": error.code, "message": str(error)})
        if isinstance(error, ChunkFailed):
            message = f"{error}\nwhat is made is kept: helios job retry {job}"
            raise ChunkFailed(message, chunk=error.chunk, causes=error.causes) from error
        raise
    except BaseException as error:
        journal.step(job, "fail", f"{type(error).__name__}: {error}", "internal")
        raise
    recorder.flush()
    journal.step(job, "finish")
    webhook.tell("done", {"output": str(rendered.output), "frames": rendered.frames, "seconds": rendered.seconds})
    return rendered


def leave_runner(journal: Journal, job: str) -> None:
    """Starts a process that runs the job and outlives this one. It blocks until that has started.

    Raises:
        JobFailed: it could not begin.
        UsageError: no other process can run it.
    """
    check_portable(journal.spec(job).targets)
    with journal.log_path(job).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "helios.jobs", str(journal.folder), job],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )
    while process.poll() is None and not journal.status(job).alive:
        time.sleep(_BEAT / 10)
    if process.poll() and journal.status(job).state not in ("done", "failed", "running"):
        message = journal.log_path(job).read_text("utf-8", "replace").strip().splitlines()[-1:]
        raise JobFailed(f"job {job} could not be started: {' '.join(message)}", job=job, cause="internal")
    threading.Thread(target=process.wait, daemon=True).start()  # it may end before this process, and be waited for


def clear(journal: Journal, job: str) -> None:
    """Ends what a runner that was killed has left behind, and removes its folder.

    Raises:
        UsageError: the job is being run.
    """
    with journal.running(job):
        workspace = journal.folder / "work" / job
        end_all_in(workspace)
        shutil.rmtree(workspace, ignore_errors=True)


def end_all_in(workspace: Path) -> None:
    """Ends what a runner that was killed has left behind: processes that work in its folder (Linux: proc(5))."""
    workspace = workspace.resolve()  # /proc names folders without links
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(workspace):
                os.kill(int(process.name), signal.SIGKILL)


def open_store(journal: Journal, spec: JobSpec, before: Callable[[], Awaitable[None]] | None = None) -> ArtifactStore:
    """Where a job's chunks are kept; ``before`` is awaited before each request."""
    return ArtifactStore.at(spec.store or journal.folder / "artifacts", before=before)


async def _describe(store: ArtifactStore, job: str, spec: JobSpec) -> None:
    """Puts the job beside its chunks, so that another machine can go on with it."""
    await store.put(f"jobs/{job}.json", spec.model_dump_json().encode())


class Recorder:
    """Writes what happens into the journal, many events at a time."""

    def __init__(self, journal: Journal, job: str) -> None:
        self._journal = journal
        self._job = job
        self._events: list[tuple[float, RenderEvent]] = []
        self._progress: dict[int, tuple[int, bool]] = {}
        self._most: dict[int, int] = {}

    def add(self, event: RenderEvent) -> None:
        """Something has happened."""
        match event:
            case RenderPlanned() | CommandsPlanned():
                self._most, self._progress = {}, {}
            case ChunkProgressed():
                if event.frames > self._most.get(event.chunk, 0):
                    self._most[event.chunk] = event.frames
                    self._progress[event.chunk] = (event.frames, False)
                return
            case ChunkFinished() | ChunkCached():
                self._most.pop(event.chunk, None)
                self._progress[event.chunk] = (event.frames, True)
            case _:
                pass
        if isinstance(event, RenderFinished):
            event = event.model_copy(update={"hashes": ()})  # they are kept with the chunks
        self._events.append((time.time(), event))

    def flush(self) -> None:
        """Writes what has not been written."""
        if not self._events and not self._progress:
            return
        with contextlib.suppress(OutputError):  # a full disk hinders no frame; it is tried again
            self._journal.write(self._job, self._events, self._progress)
            self._events, self._progress = [], {}

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(_BEAT)
            self.flush()

    async def __aenter__(self) -> Recorder:
        self._task = asyncio.create_task(self._keep_writing())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self.flush()
