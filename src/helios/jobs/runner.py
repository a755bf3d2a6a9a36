"""Running a job from the journal, in this process or in one that outlives it."""

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

from helios.adapters import (
    LocalTarget,
    LocalWorkerAdapter,
    WorkerAdapter,
    check_portable,
    check_target,
    open_adapter,
)
from helios.adapters.faults import FaultInjectingAdapter, Faults
from helios.errors import ChunkFailed, HeliosError, JobFailed, JobStopped, UsageError
from helios.jobs.journal import Journal
from helios.jobs.output import OutputRecordingAdapter
from helios.jobs.recorder import WRITE_INTERVAL, Recorder
from helios.jobs.retention import cache_limit, delete_old_jobs, prune_cache
from helios.jobs.secret_values import make_redactor
from helios.jobs.spec import JobSpec
from helios.jobs.states import JobAction
from helios.jobs.webhook import Webhook
from helios.orchestrator import OutputSpec, RenderEvent, RenderOrchestrator, RenderResult, WorkerPool
from helios.orchestrator.events import ChunkAttemptFailed, EventSink, WarningIssued
from helios.orchestrator.retry import RetryPolicy
from helios.stitcher import FfmpegStitcher, VideoStitcher, create_stitcher
from helios.storage import ArtifactStore

Redact = Callable[[str], str]


async def run_job(
    journal: Journal, job: str, emit: EventSink = lambda event: None, *, inject: str | None = None
) -> RenderResult:
    """Runs a job, or resumes it, until it is done, fails, or is paused or cancelled.

    However it stops, the journal has its state, no process of it is left, and its chunks stay in the cache. ``inject``
    names failures to inject, for testing: see ``Faults.parse``.

    Raises:
        UsageError: another process runs it.
        JobStopped: it was paused or cancelled.
        HeliosError: it failed.
    """
    spec = journal.spec(job)
    if inject and any(not isinstance(target, LocalTarget) for target in spec.targets):
        raise UsageError("faults can only be injected on this machine")
    for target in spec.targets:
        check_target(target)
    faulty = FaultInjectingAdapter(Faults.parse(inject)) if inject else None
    cache_limit()  # a wrong HELIOS_KEEP_GB fails now, not after the work
    redact = make_redactor(spec)
    with journal.running(job):
        webhook = Webhook(spec.webhook, job, lambda message: show(WarningIssued(message=message)))
        recorder = Recorder(journal, job, redact)

        def show(event: RenderEvent) -> None:
            event = _redact_event(event, redact)
            recorder.record(event)
            emit(event)

        journal.transition(job, "start")
        workspace = journal.folder / "work" / job
        kill_processes_in(workspace)
        shutil.rmtree(workspace, ignore_errors=True)
        workspace.mkdir(parents=True)
        try:
            async with recorder, webhook:
                webhook.send("started", {})
                work = _render(journal, job, spec, faulty, workspace, recorder, show)
                rendered = await _supervise(journal, job, asyncio.create_task(work), recorder, webhook, redact)
        finally:
            shutil.rmtree(workspace, ignore_errors=True)
    delete_old_jobs(journal)
    if spec.store is None:
        await asyncio.to_thread(prune_cache, journal.folder)
    return rendered


async def _render(
    journal: Journal,
    job: str,
    spec: JobSpec,
    faulty: FaultInjectingAdapter | None,
    workspace: Path,
    recorder: Recorder,
    show: EventSink,
) -> RenderResult:
    store = open_store(journal, spec, faulty.before_request if faulty else None)
    await _store_spec(store, job, spec)
    local = LocalWorkerAdapter()
    keys = [(spec.plan.cache_key(part), part.index) for part in spec.plan.parts] if spec.commands else []
    chunks = {f"{key.folder}/{key.name}": index for key, index in keys}

    def recording(adapter: WorkerAdapter) -> WorkerAdapter:
        return OutputRecordingAdapter(adapter, recorder, chunks) if spec.commands else adapter

    async with AsyncExitStack() as stack:
        pools = [
            WorkerPool(target.kind, recording(await stack.enter_async_context(open_adapter(target))), target.workers)
            for target in spec.targets
        ]
        orchestrator = RenderOrchestrator(
            recording(faulty or local),
            _choose_stitcher(spec, local),
            store,
            workspace=workspace,
            retry=RetryPolicy(maximum_attempts=spec.attempts),
            local_adapter=recording(local),
            pools=() if faulty else pools,
        )
        return await orchestrator.render(
            spec.plan,
            OutputSpec(spec.output, spec.stitch, spec.audio, spec.text, spec.hls),
            show,
            job=job,
            fresh=spec.fresh,
        )


def _choose_stitcher(spec: JobSpec, local: LocalWorkerAdapter) -> VideoStitcher:
    if spec.commands and spec.commands.merge:
        return FfmpegStitcher(local)  # unused: the job's own command joins the chunks, into any kind of file
    return create_stitcher(spec.output, local, spec.plan.parts[0].start)


async def _supervise(
    journal: Journal,
    job: str,
    work: asyncio.Task[RenderResult],
    recorder: Recorder,
    webhook: Webhook,
    redact: Redact,
) -> RenderResult:
    """Returns the result of ``work``, or stops it where that is requested; updates the journal, sends the webhook."""
    action: JobAction = "pause"
    reason = "its process was stopped"
    try:
        while not work.done():
            await asyncio.wait([work], timeout=WRITE_INTERVAL)
            if not work.done() and (requested := journal.requested(job)):
                action, reason = requested, f"helios job {requested}"
                work.cancel()
                await asyncio.wait([work])
        rendered = work.result()
    except asyncio.CancelledError:
        ours = work.cancelled()
        work.cancel()
        await asyncio.wait([work])
        recorder.flush()
        state = journal.transition(job, action, reason)
        webhook.stop_soon()
        webhook.send(state, {})
        if ours:
            raise JobStopped(f"job {job} was {state}: helios job resume {job} continues it") from None
        raise
    except HeliosError as error:
        message = redact(str(error))
        recorder.flush()
        journal.transition(job, "fail", error=message, code=error.code)
        webhook.send("failed", {"code": error.code, "message": message})
        if isinstance(error, ChunkFailed):
            message = f"{message}\nfinished chunks are in the cache: helios job retry {job}"
            raise ChunkFailed(message, chunk=error.chunk, causes=error.causes) from error
        error.args = (message, *error.args[1:])
        raise
    except BaseException as error:
        recorder.flush()
        journal.transition(job, "fail", error=redact(f"{type(error).__name__}: {error}"), code="internal")
        raise
    recorder.flush()
    journal.transition(job, "finish", f"{rendered.frames} frames in {rendered.seconds:.1f} s")
    webhook.send("done", {"output": str(rendered.output), "frames": rendered.frames, "seconds": rendered.seconds})
    return rendered


def _redact_event(event: RenderEvent, redact: Redact) -> RenderEvent:
    match event:
        case WarningIssued():
            return event.model_copy(update={"message": redact(event.message)})
        case ChunkAttemptFailed():
            return event.model_copy(update={"error": redact(event.error)})
        case _:
            return event


def start_runner(journal: Journal, job: str) -> None:
    """Starts a process that runs the job and outlives this one. Blocks until the job runs or has failed.

    Raises:
        JobFailed: the process could not start the job.
        UsageError: its adapter is an object, which no other process has.
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
        time.sleep(WRITE_INTERVAL / 10)
    if process.poll() and journal.status(job).state not in ("done", "failed", "running"):
        last_line = journal.log_path(job).read_text("utf-8", "replace").strip().splitlines()[-1:]
        raise JobFailed(f"job {job} could not be started: {' '.join(last_line)}", job=job, cause="internal")
    threading.Thread(target=process.wait, daemon=True).start()  # leaves no zombie if it exits before this process


def clean_up(journal: Journal, job: str) -> None:
    """Kills the processes of a runner that was killed, and removes its folder.

    Raises:
        UsageError: the job is running.
    """
    with journal.running(job):
        workspace = journal.folder / "work" / job
        kill_processes_in(workspace)
        shutil.rmtree(workspace, ignore_errors=True)


def kill_processes_in(workspace: Path) -> None:
    """Kills the processes whose working directory is in the folder of a killed runner (Linux: proc(5))."""
    workspace = workspace.resolve()  # /proc names folders without links
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(workspace):
                os.kill(int(process.name), signal.SIGKILL)


def open_store(journal: Journal, spec: JobSpec, before: Callable[[], Awaitable[None]] | None = None) -> ArtifactStore:
    """Opens the store of a job's chunks; ``before`` is awaited before each request."""
    return ArtifactStore.at(spec.store or journal.folder / "artifacts", before=before)


async def _store_spec(store: ArtifactStore, job: str, spec: JobSpec) -> None:
    """Stores the spec beside the chunks, so that another machine can continue the job."""
    await store.put(f"jobs/{job}.json", spec.model_dump_json().encode())
