"""A job as its owner holds it: from any process, while it runs or long after."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from pydantic import ValidationError

from helios.errors import JobFailed, JobStopped, UsageError
from helios.jobs.journal import JobStatus, Journal
from helios.jobs.runner import clear, leave_runner, open_store
from helios.jobs.spec import JobSpec
from helios.jobs.states import ENDS, Step, after
from helios.orchestrator import ChunkProgressed, ChunkStarted, RenderEvent, RenderFinished, RenderResult
from helios.orchestrator.chunk_cache import CacheEntry
from helios.storage import ArtifactStore

_BEAT = 0.1
_BEGINS = 30.0
"""Seconds in which a job that was added is started, if anybody begins it."""


class Job:
    """A job in the journal. ``id`` names it, in every process of this user."""

    def __init__(self, journal: Journal, job: str) -> None:
        self._journal = journal
        self.id = job

    @classmethod
    def submit(cls, journal: Journal, spec: JobSpec) -> Job:
        """A new job, and a process that runs it and outlives this one."""
        job = cls(journal, journal.add(spec))
        leave_runner(journal, job.id)
        return job

    @classmethod
    async def adopt(cls, journal: Journal, job: str, store: str) -> Job:
        """A job that another machine has started, with its chunks in ``store``.

        Raises:
            ArtifactMissing: there is no such job.
        """
        if not job.isalnum():
            raise UsageError(f"{job!r} is no job's id")
        data = await ArtifactStore.at(store).get(f"jobs/{job}.json")
        spec = JobSpec.parse(data, f"job {job} in {store}").model_copy(update={"store": store})
        return cls(journal, journal.add(spec, job))

    def status(self) -> JobStatus:
        """How far it has come."""
        return self._journal.status(self.id)

    async def events(self) -> AsyncIterator[RenderEvent]:
        """What has happened and what happens, until it ends or nobody runs it any more.

        How far chunks are comes as often as it is looked at, and not for what is over.
        """
        last = 0
        workers: dict[int, int] = {}
        drawn: dict[int, int] = {}
        while True:
            status = self.status()
            for number, _, event in self._journal.events(self.id, last):
                last = number
                if isinstance(event, ChunkStarted):
                    workers[event.chunk] = event.worker
                    drawn[event.chunk] = 0
                yield event
            for chunk, frames in self._journal.progress(self.id).items() if status.alive else ():
                if frames > drawn.get(chunk, frames):
                    drawn[chunk] = frames
                    yield ChunkProgressed(chunk=chunk, worker=workers[chunk], frames=frames)
            waits = status.state == "queued" and time.time() - status.created < _BEGINS
            if not status.alive and not waits:
                return
            await asyncio.sleep(_BEAT)

    async def result(self) -> RenderResult:
        """Waits for its end, and returns what came of it (its ``hashes`` are kept with its chunks).

        Raises:
            JobFailed: it failed.
            JobStopped: it was paused, cancelled, or whoever ran it is gone.
        """
        rendered = None
        async for event in self.events():
            if isinstance(event, RenderFinished):
                rendered = event.result()
        status = self.status()
        if status.state == "done" and rendered:
            return rendered
        if status.state == "failed":
            raise JobFailed(status.error or "it failed", job=self.id, cause=status.code or "")
        raise JobStopped(f"job {self.id} is {status.shown}: helios job resume {self.id} goes on with it")

    async def pause(self) -> None:
        """Stops it, for now; what is made is kept. Returns when no process of it is left."""
        await self._end("pause")

    async def cancel(self) -> None:
        """Stops it for good; what is made is kept until it is deleted. Returns when no process of it is left."""
        await self._end("cancel")

    def resume(self) -> None:
        """Has a process go on with it.

        Raises:
            UsageError: it is being run.
        """
        status = self.status()
        if status.alive:
            raise UsageError(f"job {self.id} is running: helios job watch {self.id}")
        after(status.state, "start")
        leave_runner(self._journal, self.id)

    async def delete(self) -> None:
        """Forgets it, and removes the chunks that it has made.

        Raises:
            UsageError: it is being run.
        """
        if self.status().alive:
            raise UsageError(f"job {self.id} is running: helios job cancel {self.id} first")
        clear(self._journal, self.id)
        store = open_store(self._journal, self._journal.spec(self.id))
        await forget(store, self.id)
        self._journal.delete(self.id)

    async def _end(self, step: Step) -> None:
        status = self.status()
        if not status.alive:
            clear(self._journal, self.id)
            self._journal.step(self.id, step)
            return
        after(status.state, step)
        self._journal.want(self.id, step)
        while (status := self.status()).alive:  # noqa: ASYNC110 - it is another process that ends
            await asyncio.sleep(_BEAT / 4)
        if status.state not in ENDS and status.state != "paused":
            self._journal.step(self.id, step)  # it went without a word


async def forget(store: ArtifactStore, job: str) -> None:
    """Removes a job's description and the chunks that it has made from a store."""
    found = await store.sizes("segments")
    own = [key for key in found if key.rpartition("/")[2].partition(".")[2].startswith(f"{job}-")]
    targets = {key.partition(".")[0] for key in own}
    for key in found:
        if key.endswith(".json") and key.partition(".")[0] in targets:
            try:
                others = CacheEntry.model_validate_json(await store.get(key)).segment not in own
            except ValidationError:
                others = False  # it is no record any more
            if not others:
                await store.delete([key])
    await store.delete([*own, f"jobs/{job}.json"])
