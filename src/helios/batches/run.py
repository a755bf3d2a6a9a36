"""A batch being carried out: what is not kept is drawn in groups; each video has its place as soon as it is there."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from helios.batches.command import draw_videos
from helios.batches.events import (
    BatchFinished,
    BatchPlanned,
    BatchSink,
    VideoCached,
    VideoFailed,
    VideoRendered,
    VideoResult,
)
from helios.batches.plan import BatchPlan
from helios.batches.rows import Row
from helios.errors import BrowserError, CaptureBroken, CaptureUnsafe, HeliosError, Throttled
from helios.orchestrator.chunk_cache import CacheEntry, ChunkCache, Damaged
from helios.orchestrator.chunks import Chunk
from helios.orchestrator.dispatch import Workplace
from helios.orchestrator.events import ChunkAttemptFailed, RenderEvent, WarningIssued
from helios.orchestrator.fallback import advice, next_method
from helios.orchestrator.orchestrator import WorkerPool, fetched, total_cost
from helios.orchestrator.pages import read_chunk_output
from helios.orchestrator.retry import RetryPolicy
from helios.orchestrator.schedule import Schedule
from helios.renderer.messages import FAST, BatchItem, CaptureMethod, ChunkReport, VideoFailure, VideoOutcome
from helios.stitcher import VideoStitcher
from helios.stitcher.single import place_video
from helios.storage import ArtifactStore
from helios.worker import Artifact

_OF_CAPTURE = (CaptureUnsafe.code, CaptureBroken.code, BrowserError.code)
"""Errors that a video may not have when it is drawn by another method."""


class BatchRun:
    """Renders the videos of ``plan`` by workers of ``pools``, for ``job``; attempts run in ``folder``."""

    def __init__(
        self,
        plan: BatchPlan,
        pools: Sequence[WorkerPool],
        stitcher: VideoStitcher,
        store: ArtifactStore,
        folder: Path,
        emit: BatchSink,
        *,
        job: str,
        attempts: int = 4,
        fresh: bool = False,
    ) -> None:
        self._plan = plan
        self._crews = pools
        self._stitcher = stitcher
        self._store = store
        self._folder = folder
        self._emit = emit
        self._job = job
        self._attempts = attempts
        self._ledger = ChunkCache(store, job, plan.template.root, fresh=fresh)
        self._workplaces = [Workplace(pool.adapter, plan.template.root) for pool in pools]
        self._where = [number for number, pool in enumerate(pools) for _ in range(pool.workers or plan.workers)]
        self._waiting: dict[int, int] = {}
        """Rows whose videos are not there yet, and which of the plan's methods they are drawn by."""
        self._missing: list[Row] = []
        self._losses: dict[int, int] = {}
        """How often a row's video was under way when its worker was lost."""
        self._sizes: dict[int, int] = {}
        """How many videos of a group a command may have at most, where one was lost."""
        self._results: dict[int, VideoResult] = {}
        self._warned: set[str] = set()

    async def run(self) -> tuple[VideoResult, ...]:
        """Makes all videos that can be made; what became of each, in the order of rows.

        Raises:
            HeliosError: what keeps any from being made.
        """
        started = time.monotonic()
        plan = self._plan
        self._emit(self._planned())
        for warning in plan.template.warnings:
            self._warn(warning)
        if plan.template.probe.audio_clips:
            self._warn("the page plays sound, and videos of a batch are silent: helios render makes them one by one")
        await self._ledger.read(plan.place(plan.rows[0], method).folder for method in plan.methods)
        self._missing = [row for row in plan.rows if not await self._is_kept(row)]
        self._waiting = {row.number: 0 for row in self._missing}
        groups = plan.groups(self._missing)
        attempts = 2 * self._attempts * max((group.frames for group in groups), default=1)  # rows are what may fail
        retry = RetryPolicy(maximum_attempts=attempts)
        where = self._where if len(self._workplaces) > 1 else self._where[: max(1, len(groups))]
        await Schedule(
            groups,
            where,
            self._draw_group,
            lambda attempt, result: None,
            self._heard,
            retry=retry,
            liveness=plan.liveness,
        ).run()
        results = tuple(self._results[row.number] for row in plan.rows)
        self._emit(
            BatchFinished(
                rendered=sum(result.outcome == "rendered" for result in results),
                cached=sum(result.outcome == "cached" for result in results),
                failed=sum(result.outcome == "failed" for result in results),
                frames=sum(result.frames or 0 for result in results),
                seconds=time.monotonic() - started,
                cost=total_cost(pool.adapter.spent for pool in self._crews),
            )
        )
        return results

    async def _is_kept(self, row: Row) -> bool:
        """Whether a row's video was made before; it has its place then."""
        for method in self._plan.methods:
            if record := await self._ledger.find(self._plan.place(row, method)):
                try:
                    await self._deliver(row, record)
                except Damaged as error:
                    self._warn(f"row {row.number}: {error}. It is made again")
                    return False
                hashes = (await self._ledger.stats(self._plan.place(row, method), record)).hashes
                frames = record.stats.frames
                self._results[row.number] = VideoResult(
                    row=row.number, output=row.output, outcome="cached", frames=frames
                )
                self._emit(VideoCached(row=row.number, output=row.output, frames=frames, hashes=hashes))
                return True
        return False

    async def _draw_group(self, chunk: Chunk, number: int, worker: int, heard: Callable[[int], None]) -> None:
        """Draws what is left of a group: by one command, unless it takes very long or videos need different methods."""
        group = self._missing[chunk.start : chunk.stop]
        while left := self._left(group):
            method = self._waiting[left[0].number]
            some = self._left(left[: self._sizes.get(chunk.index, len(left))], method)
            try:
                await self._draw(some, self._plan.methods[method], worker, heard)
            except HeliosError as error:
                if not error.retryable or isinstance(error, Throttled):
                    raise
                self._blame(chunk, self._left(some, method), worker, error)
                if self._left(group):
                    raise

    def _left(self, rows: Sequence[Row], method: int | None = None) -> list[Row]:
        """Those of ``rows`` that are still to be drawn, by that method."""
        return [row for row in rows if row.number in self._waiting and method in (None, self._waiting[row.number])]

    def _blame(self, group: Chunk, undone: list[Row], worker: int, error: HeliosError) -> None:
        """A command was lost: at the first video that is not done, if we can see which are; else at any of them."""
        suspects = undone if self._at(worker).store else undone[:1]
        if len(suspects) > 1:
            self._sizes[group.index] = len(suspects) // 2
        for row in suspects if len(suspects) == 1 else ():
            self._losses[row.number] = self._losses.get(row.number, 0) + 1
            if self._losses[row.number] >= self._attempts:
                failure = VideoFailure(code=error.code, message=f"in {self._attempts} attempts: {error}")
                self._failed(row, self._plan.methods[self._waiting[row.number]], failure)

    def _at(self, worker: int) -> Workplace:
        return self._workplaces[self._where[worker]]

    async def _draw(self, rows: list[Row], method: CaptureMethod, worker: int, heard: Callable[[int], None]) -> None:
        """Has videos drawn by one command. Those that it brings to an end count, even if it is lost."""
        at, plan, attempt = self._at(worker), self._plan, secrets.token_hex(4)
        own = f"{self._job}-{await at.version()}-{attempt}"
        videos = {f"{row.number:06}{plan.suffix}": row for row in rows}
        folder = self._folder / attempt

        async def take(name: str, outcome: VideoOutcome, artifact: Artifact | None, path: Path | None) -> None:
            row = videos[name]
            if row.number not in self._waiting:
                return  # another attempt was first
            if outcome.failure:
                self._failed(row, method, outcome.failure)
            if not (outcome.report and artifact):
                return
            made = await read_chunk_output(at, plan.template.root, artifact, path, outcome.report)
            if at.store and at.store.url != self._store.url:
                made = await fetched(made, at.store, folder / name)
            record = await self._ledger.commit(plan.place(row, method), made)
            await self._deliver(row, record, made.path)
            self._made(row, outcome.report, worker)

        spec = plan.spec([BatchItem(name=name, props=row.props) for name, row in videos.items()], method)
        keys = {name: partial(plan.place(row, method).key, own) for name, row in videos.items()}
        try:
            await draw_videos(at, spec, plan.suffix, folder, keys, lambda: heard(0), take)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _deliver(self, row: Row, record: CacheEntry, path: Path | None = None) -> None:
        """Gives a video its place; ``path`` is its segment, if it is here.

        Raises:
            Damaged: what is kept is not what was made.
            StitchError, OutputError: it can't be put there.
        """
        if path is None:
            path = self._folder / f"kept-{row.number:06}{Path(record.segment).suffix}"
            await self._ledger.bring(record, path)
        if not await asyncio.to_thread(place_video, path, row.output):
            await self._stitcher.stitch([path], row.output)
        path.unlink()

    def _made(self, row: Row, report: ChunkReport, worker: int) -> None:
        if self._waiting.pop(row.number, None) is None:
            return
        for warning in report.warnings:
            self._warn(f"row {row.number}: {warning}")
        seconds = (report.ready_ms + report.draw_ms) / 1000
        frames = report.stop
        self._results[row.number] = VideoResult(
            row=row.number, output=row.output, outcome="rendered", frames=frames, seconds=seconds
        )
        self._emit(
            VideoRendered(
                row=row.number,
                output=row.output,
                frames=frames,
                seconds=seconds,
                loading=report.ready_ms / 1000,
                worker=worker,
                hashes=report.hashes,
            )
        )

    def _failed(self, row: Row, method: CaptureMethod, failure: VideoFailure) -> None:
        """A video could not be drawn so: it is drawn in the next best way, if there is one."""
        may_differ = failure.code in _OF_CAPTURE
        other = next_method(self._plan.methods, method, failure.code) if may_differ else None
        if other is None:
            if failure.code in (CaptureUnsafe.code, CaptureBroken.code):
                message = advice(failure.message, self._plan.template.encoding.encoder)
                failure = failure.model_copy(update={"message": message})
            self._fail(row, failure)
            return
        self._waiting[row.number] = self._plan.methods.index(other)
        self._losses.pop(row.number, None)
        how = "" if other in FAST else " faithfully"
        self._warn(f"row {row.number}: fast capture is not safe: {failure.message}. It is drawn again{how}")

    def _fail(self, row: Row, failure: VideoFailure) -> None:
        del self._waiting[row.number]
        self._results[row.number] = VideoResult(
            row=row.number, output=row.output, outcome="failed", error=failure.message
        )
        self._emit(VideoFailed(row=row.number, output=row.output, error=failure.message, code=failure.code))

    def _heard(self, event: RenderEvent) -> None:
        """Of what a schedule tells, what there is to say of videos."""
        if isinstance(event, WarningIssued):
            self._warn(event.message)
        elif isinstance(event, ChunkAttemptFailed) and event.retried:
            self._warn(f"a worker was lost, and what it has not done is drawn again: {event.error}")

    def _warn(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            self._emit(WarningIssued(message=message))

    def _planned(self) -> BatchPlanned:
        video, probe = self._plan.template.composition, self._plan.template.probe
        return BatchPlanned(
            videos=len(self._plan.rows),
            workers=self._plan.workers,
            width=video.width,
            height=video.height,
            fps=video.fps,
            capture=probe.capture,
            comparison=probe.comparison,
            browser=probe.browser,
        )
