"""One plan carried out: cached chunks are reused, the others are rendered."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from helios.errors import ArtifactMissing, HeliosError, PageChanged
from helios.orchestrator.attempt import Attempt
from helios.orchestrator.chunk_cache import CacheEntry, ChunkStats
from helios.orchestrator.chunks import Chunk
from helios.orchestrator.commands import CommandPlan
from helios.orchestrator.events import ChunkCached, ChunkFinished, EventSink, StitchStarted, WarningIssued
from helios.orchestrator.pages import RenderPlan
from helios.orchestrator.schedule import Schedule
from helios.orchestrator.seams import Seams
from helios.orchestrator.streaming import Prefix
from helios.orchestrator.workers import JobContext, Workers
from helios.worker import Artifact


class PlanRun:
    """One run of ``plan`` for ``job``. Attempts run in ``folder``."""

    def __init__(self, job: JobContext, plan: RenderPlan | CommandPlan, folder: Path, emit: EventSink) -> None:
        self.plan = plan
        self.folder = folder
        self.cache = job.cache(plan.root)
        self._job = job
        self._emit = emit
        self._workers = Workers(job.pools, plan.workers, plan.root)
        self._entries: dict[int, CacheEntry] = {}
        self._seams = Seams(plan.parts)
        self._prefix: Prefix | None = None
        self.attempts = 0
        """Attempts that were started."""
        self.cached = 0
        """Chunks that were in the cache."""

    async def render_chunks(self, prefix: Prefix | None = None) -> list[CacheEntry]:
        """The cache entries of all chunks, in the order of the video, without the statistics of single frames.

        ``prefix`` gets each of them as soon as it is committed.

        Raises:
            SeamBroken: chunks don't fit together.
            PageChanged: they were not rendered from the same files.
            HeliosError: as ``Schedule.run``.
        """
        self._prefix = prefix
        await self.cache.load(self._cache_folders())
        missing: list[Chunk] = []
        for chunk in self.plan.parts:
            if entry := await self.cache.find(self.plan.cache_key(chunk)) or await self._adopt(chunk):
                self.cached += 1
                self._emit(ChunkCached(chunk=chunk.index, frames=chunk.frames, start=chunk.start, stop=chunk.stop))
                self._add(chunk, entry)
            else:
                missing.append(chunk)
        schedule = Schedule(
            missing,
            self._workers.pool_sizes(len(missing)),
            self._render,
            self._on_finished,
            self._emit,
            job=self._job.name,
            retry=self._job.retry,
            liveness=self.plan.liveness,
            on_transition=self._job.on_transition,
        )
        try:
            await schedule.run()
        finally:
            self.attempts = schedule.attempts
        await self.cache.check(self._entries.values())
        return [self._entries[chunk.index] for chunk in self.plan.parts]

    async def download(self, entries: Sequence[CacheEntry], folder: Path) -> list[Path]:
        """The segments of ``entries`` as files in ``folder``, which it creates.

        Raises:
            Damaged: a segment is not what its worker wrote.
        """
        folder.mkdir(parents=True)
        paths = [folder / f"{number:06}{Path(entry.segment).suffix}" for number, entry in enumerate(entries)]
        for path, entry in zip(paths, entries, strict=True):
            await self.cache.download(entry, path)
        return paths

    async def join_remotely(self, entries: Sequence[CacheEntry], output: Path) -> bool:
        """Has a worker join the segments of ``entries`` into ``output``. Returns whether it could."""
        self._emit(StitchStarted(segments=len(entries)))
        remote = self._workers.remote_at(self._job.store)
        assert remote, "remote joins are for jobs whose store a cloud has"
        try:
            await remote.join([Artifact(entry.segment, entry.digest, entry.size) for entry in entries], output)
        except HeliosError as error:
            self._emit(WarningIssued(message=f"{error}. This machine joins the video instead"))
            return False
        return True

    async def frame_hashes(self, entries: Sequence[CacheEntry]) -> tuple[str, ...]:
        """The hashes of all frames, in the order of the video."""
        stats = [
            await self.cache.stats(self.plan.cache_key(chunk), entry)
            for chunk, entry in zip(self.plan.parts, entries, strict=True)
        ]
        return tuple(digest for each in stats for digest in each.hashes)

    def _cache_folders(self) -> set[str]:
        return {self.plan.cache_key(chunk).folder for chunk in self.plan.parts}

    async def _render(self, chunk: Chunk, number: int, worker: int, on_frames: Callable[[int], None]) -> CacheEntry:
        folder = self.folder / f"chunk-{chunk.index:06}" / f"attempt-{number}"
        cache_key = self.plan.cache_key(chunk)
        dispatcher = self._workers.dispatcher(worker)
        attempt = f"{self._job.name}-{await dispatcher.input_version()}-{secrets.token_hex(4)}"
        artifact_key = partial(cache_key.artifact_key, attempt)
        output = await self.plan.render_chunk(dispatcher, chunk, folder, artifact_key, on_frames)
        output = await dispatcher.transfer(output, self._job.store, folder)
        if await asyncio.to_thread(self.plan.cache_key, chunk) != cache_key:
            raise PageChanged(f"an input of {chunk} changed while it was rendered")
        entry = await self.cache.commit(cache_key, output)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        return entry

    async def _adopt(self, chunk: Chunk) -> CacheEntry | None:
        """Commits a chunk that a remote worker finished for an earlier runner of this job, which was gone by then."""
        cache_key = self.plan.cache_key(chunk)
        remote = self._workers.remote_at(self._job.store)
        if not (remote and isinstance(self.plan, RenderPlan)):
            return None
        for attempt in self.cache.uncommitted(cache_key, f"{self._job.name}-"):
            if attempt.startswith(f"{self._job.name}-{await remote.input_version()}-"):
                with contextlib.suppress(ArtifactMissing, PageChanged):
                    output = await self.plan.adopt_chunk(remote, partial(cache_key.artifact_key, attempt))
                    return await self.cache.commit(cache_key, output)
        return None

    def _on_finished(self, attempt: Attempt, entry: CacheEntry) -> None:
        self._emit(
            ChunkFinished(
                chunk=attempt.chunk.index,
                attempt=attempt.number,
                worker=attempt.worker,
                frames=attempt.chunk.frames,
                repeated=entry.stats.repeated,
                seconds=time.monotonic() - attempt.started,
            )
        )
        self._add(attempt.chunk, entry)

    def _add(self, chunk: Chunk, entry: CacheEntry) -> None:
        for warning in entry.stats.warnings:
            self._emit(WarningIssued(message=warning))
        self._entries[chunk.index] = entry.model_copy(update={"stats": ChunkStats(frames=entry.stats.frames)})
        self._seams.add(chunk, entry.stats)
        if self._prefix:
            self._prefix.add(chunk, entry)
