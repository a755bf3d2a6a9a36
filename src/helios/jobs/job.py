"""A handle to a job: from any process of this user, while the job runs or long after."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from pydantic import ValidationError

from helios.errors import JobFailed, JobStopped, UsageError
from helios.jobs.journal import JobStatus, Journal
from helios.jobs.runner import clean_up, open_store, start_runner
from helios.jobs.spec import JobSpec
from helios.jobs.states import FINAL_STATES, JobAction, next_state
from helios.jobs.transitions import LogEntry
from helios.orchestrator import ChunkProgressed, ChunkStarted, RenderEvent, RenderFinished, RenderResult
from helios.orchestrator.chunk_cache import CacheEntry
from helios.storage import ArtifactStore

_POLL_INTERVAL = 0.1
_START_TIMEOUT = 30.0
"""Seconds that events wait for a runner of a job that was just created."""


class Job:
    """A job in the journal. ``id`` names it in every process of this user."""

    def __init__(self, journal: Journal, job: str) -> None:
        self._journal = journal
        self.id = job

    @classmethod
    def submit(cls, journal: Journal, spec: JobSpec) -> Job:
        """Creates a job, and a process that runs it and outlives this one.

        Raises:
            JobFailed: the process could not start the job.
        """
        job = cls(journal, journal.create(spec))
        start_runner(journal, job.id)
        return job

    @classmethod
    async def adopt(cls, journal: Journal, job: str, store: str) -> Job:
        """Adds a job that another machine has started, with its chunks in ``store`` (a URL).

        Raises:
            ArtifactMissing: the store has no such job.
        """
        if not job.isalnum():
            raise UsageError(f"{job!r} is not the id of a job")
        data = await ArtifactStore.at(store).get(f"jobs/{job}.json")
        spec = JobSpec.parse(data, f"job {job} in {store}").model_copy(update={"store": store})
        return cls(journal, journal.create(spec, job))

    def status(self) -> JobStatus:
        """Returns its state and progress."""
        return self._journal.status(self.id)

    def check_chunk(self, chunk: int | None) -> None:
        """Checks that the job has that chunk.

        Raises:
            UsageError: it has not.
        """
        count = len(self._journal.spec(self.id).plan.parts)
        if chunk is not None and not 0 <= chunk < count:
            raise UsageError(f"job {self.id} has no chunk {chunk}: it has chunks 0 to {count - 1}")

    async def events(self) -> AsyncIterator[RenderEvent]:
        """Yields past and coming events, until the job finishes or no process runs it any more.

        Progress comes ten times a second at most, and only of chunks that are running.
        """
        last = 0
        workers: dict[int, int] = {}
        encoded: dict[int, int] = {}
        async for status in self._poll():
            for number, _, event in self._journal.events(self.id, last):
                last = number
                if isinstance(event, ChunkStarted):
                    workers[event.chunk] = event.worker
                    encoded[event.chunk] = 0
                yield event
            for chunk, frames in self._journal.progress(self.id).items() if status.alive else ():
                if frames > encoded.get(chunk, frames):
                    encoded[chunk] = frames
                    yield ChunkProgressed(chunk=chunk, worker=workers[chunk], frames=frames)

    async def log(self, *, follow: bool = False, chunk: int | None = None) -> AsyncIterator[LogEntry]:
        """Yields changes of state and lines that commands printed, of the job or of one ``chunk``.

        With ``follow``, it goes on until the job finishes or no process runs it any more.
        """
        transition = line = 0
        async for _ in self._poll():
            transitions = self._journal.transitions(self.id, transition)
            lines = self._journal.output(self.id, line)
            transition = transitions[-1][0] if transitions else transition
            line = lines[-1][0] if lines else line
            entries: list[LogEntry] = [entry for _, entry in (*transitions, *lines)]
            for entry in sorted(entries, key=lambda entry: entry.at):
                if chunk is None or entry.chunk == chunk:
                    yield entry
            if not follow:
                return

    async def result(self) -> RenderResult:
        """Waits until it finishes, and returns the result (without ``hashes``, which are stored with its chunks).

        Raises:
            JobFailed: it failed.
            JobStopped: it was paused or cancelled, or its process is gone.
        """
        rendered = None
        async for event in self.events():
            if isinstance(event, RenderFinished):
                rendered = event.result()
        status = self.status()
        if status.state == "done" and rendered:
            return rendered
        if status.state == "failed":
            raise JobFailed(status.error or "the job failed", job=self.id, cause=status.code or "")
        raise JobStopped(f"job {self.id} is {status.display_state}: helios job resume {self.id} continues it")

    async def pause(self) -> None:
        """Stops it for now; its chunks stay in the cache. Returns when no process of it is left."""
        await self._stop("pause")

    async def cancel(self) -> None:
        """Stops it; its chunks stay until it is deleted. Returns when no process of it is left."""
        await self._stop("cancel")

    def resume(self) -> None:
        """Starts a process that continues it.

        Raises:
            UsageError: it is running.
        """
        status = self.status()
        if status.alive:
            raise UsageError(f"job {self.id} is running: helios job watch {self.id}")
        next_state(status.state, "start")
        start_runner(self._journal, self.id)

    async def delete(self) -> None:
        """Deletes it and the chunks that it has rendered. Its video stays.

        Raises:
            UsageError: it is running.
        """
        if self.status().alive:
            raise UsageError(f"job {self.id} is running: helios job cancel {self.id} first")
        clean_up(self._journal, self.id)
        store = open_store(self._journal, self._journal.spec(self.id))
        await delete_chunks(store, self.id)
        self._journal.delete(self.id)

    async def _poll(self) -> AsyncIterator[JobStatus]:
        """Yields its status ten times a second, for the last time after its process has exited."""
        while True:
            status = self.status()
            yield status
            starting = status.state == "queued" and time.time() - status.created < _START_TIMEOUT
            if not status.alive and not starting:
                return
            await asyncio.sleep(_POLL_INTERVAL)

    async def _stop(self, action: JobAction) -> None:
        status = self.status()
        if not status.alive:
            clean_up(self._journal, self.id)
            self._journal.transition(self.id, action, f"helios job {action}")
            return
        next_state(status.state, action)
        self._journal.request(self.id, action)
        while (status := self.status()).alive:  # noqa: ASYNC110 - another process exits
            await asyncio.sleep(_POLL_INTERVAL / 4)
        if status.state not in FINAL_STATES and status.state != "paused":
            self._journal.transition(self.id, action, f"helios job {action}, after its process was killed")


async def delete_chunks(store: ArtifactStore, job: str) -> None:
    """Deletes a job's spec and the chunks that it has rendered from a store."""
    sizes = await store.sizes("segments")
    own = [key for key in sizes if key.rpartition("/")[2].partition(".")[2].startswith(f"{job}-")]
    prefixes = {key.partition(".")[0] for key in own}
    for key in sizes:
        if key.endswith(".json") and key.partition(".")[0] in prefixes:
            try:
                of_others = CacheEntry.model_validate_json(await store.get(key)).segment not in own
            except ValidationError:
                of_others = False
            if not of_others:
                await store.delete([key])
    await store.delete([*own, f"jobs/{job}.json"])
