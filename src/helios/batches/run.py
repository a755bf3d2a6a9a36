"""One batch carried out: cached videos are reused, the others are rendered in groups."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from helios.batches.command import make_command, render_videos
from helios.batches.events import (
    BatchFinished,
    BatchSink,
    VideoCached,
    VideoFailed,
    VideoRendered,
    VideoResult,
)
from helios.batches.plan import BatchPlan
from helios.batches.rows import Row
from helios.errors import BrowserError, CaptureBroken, CaptureUnsafe, HeliosError, Throttled
from helios.orchestrator.chunk_cache import CacheEntry, Damaged
from helios.orchestrator.chunks import Chunk
from helios.orchestrator.events import ChunkAttemptFailed, RenderEvent, WarningIssued, drop_repeated_warnings
from helios.orchestrator.fallback import advise, next_method
from helios.orchestrator.pages import make_chunk_output
from helios.orchestrator.schedule import Schedule
from helios.orchestrator.workers import JobContext, Workers, total_cost
from helios.renderer.messages import FAST, BatchItem, CaptureMethod, ChunkReport, VideoFailure, VideoOutcome
from helios.stitcher import VideoStitcher
from helios.stitcher.single import place_video
from helios.worker import Artifact

_CAPTURE_ERRORS = (CaptureUnsafe.code, CaptureBroken.code, BrowserError.code)
"""Errors that another capture method may avoid."""


class BatchRun:
    """Renders the videos of ``plan`` for ``job``. Attempts run in ``folder``."""

    def __init__(
        self, job: JobContext, plan: BatchPlan, stitcher: VideoStitcher, folder: Path, emit: BatchSink
    ) -> None:
        self._job = job
        self._plan = plan
        self._stitcher = stitcher
        self._folder = folder
        self._emit = drop_repeated_warnings(emit)
        self._cache = job.cache(plan.template.root)
        self._workers = Workers(job.pools, plan.workers, plan.template.root)
        self._methods: dict[int, int] = {}
        """The index of the capture method for each row whose video is not finished."""
        self._missing: list[Row] = []
        self._losses: dict[int, int] = {}
        """How often a worker was lost during a row's video."""
        self._limits: dict[int, int] = {}
        """The maximum of videos in a command, for each group that has lost one."""
        self._results: dict[int, VideoResult] = {}

    async def run(self) -> tuple[VideoResult, ...]:
        """Renders all videos that can be rendered. Returns the result of each row, in order.

        Raises:
            HeliosError: no further video can be rendered.
        """
        started = time.monotonic()
        plan = self._plan
        self._emit(plan.event())
        for warning in plan.template.warnings:
            self._warn(warning)
        if plan.template.probe.audio_clips:
            self._warn("the page plays audio, but videos of a batch are silent: render them one by one (helios render)")
        await self._cache.load(plan.cache_key(plan.rows[0], method).folder for method in plan.methods)
        self._missing = [row for row in plan.rows if not await self._reuse(row)]
        self._methods = {row.number: 0 for row in self._missing}
        groups = plan.groups(self._missing)
        attempts = 2 * self._job.retry.maximum_attempts * max((group.frames for group in groups), default=1)
        await Schedule(
            groups,
            self._workers.pool_sizes(len(groups)),
            self._render_group,
            lambda attempt, result: None,
            self._on_schedule_event,
            job=self._job.name,
            retry=replace(self._job.retry, maximum_attempts=attempts),  # attempts are limited for each row, not here
            liveness=plan.liveness,
            on_transition=self._job.on_transition,
        ).run()
        results = tuple(self._results[row.number] for row in plan.rows)
        self._emit(
            BatchFinished(
                rendered=sum(result.outcome == "rendered" for result in results),
                cached=sum(result.outcome == "cached" for result in results),
                failed=sum(result.outcome == "failed" for result in results),
                frames=sum(result.frames or 0 for result in results),
                seconds=time.monotonic() - started,
                cost=total_cost(self._job.pools),
            )
        )
        return results

    async def _reuse(self, row: Row) -> bool:
        """Writes a row's video from the cache. Returns whether it was there."""
        for method in self._plan.methods:
            cache_key = self._plan.cache_key(row, method)
            if entry := await self._cache.find(cache_key):
                try:
                    await self._write(row, entry)
                except Damaged as error:
                    self._warn(f"row {row.number}: {error}. Helios renders it again")
                    return False
                hashes = (await self._cache.stats(cache_key, entry)).hashes
                frames = entry.stats.frames
                self._results[row.number] = VideoResult(
                    row=row.number, output=row.output, outcome="cached", frames=frames
                )
                self._emit(VideoCached(row=row.number, output=row.output, frames=frames, hashes=hashes))
                return True
        return False

    async def _render_group(self, group: Chunk, number: int, worker: int, on_frames: Callable[[int], None]) -> None:
        """Renders the rest of a group: by one command, unless that takes too long or videos need different methods."""
        rows = self._missing[group.start : group.stop]
        while unfinished := self._unfinished(rows):
            method = self._methods[unfinished[0].number]
            limit = self._limits.get(group.index, len(unfinished))
            part = self._unfinished(unfinished[:limit], method)
            try:
                await self._render(part, self._plan.methods[method], worker, on_frames)
            except HeliosError as error:
                if not error.retryable or isinstance(error, Throttled):
                    raise
                self._count_loss(group, self._unfinished(part, method), worker, error)
                if self._unfinished(rows):
                    raise

    def _unfinished(self, rows: Sequence[Row], method: int | None = None) -> list[Row]:
        """The unfinished ones of ``rows``; with ``method``, only those that it captures."""
        return [row for row in rows if row.number in self._methods and method in (None, self._methods[row.number])]

    def _count_loss(self, group: Chunk, unfinished: list[Row], worker: int, error: HeliosError) -> None:
        """Counts a lost command against its video: the first unfinished one where workers share our disk, else any."""
        suspects = unfinished[:1] if self._workers.dispatcher(worker).shares_disk else unfinished
        if len(suspects) > 1:
            self._limits[group.index] = len(suspects) // 2
        for row in suspects if len(suspects) == 1 else ():
            self._losses[row.number] = self._losses.get(row.number, 0) + 1
            if self._losses[row.number] >= self._job.retry.maximum_attempts:
                failure = VideoFailure(code=error.code, message=f"in {self._losses[row.number]} attempts: {error}")
                self._on_failed(row, self._plan.methods[self._methods[row.number]], failure)

    async def _render(
        self, rows: list[Row], method: CaptureMethod, worker: int, on_frames: Callable[[int], None]
    ) -> None:
        """Renders videos by one command. Videos that it finishes count, even if it is lost."""
        dispatcher, plan, attempt = self._workers.dispatcher(worker), self._plan, secrets.token_hex(4)
        attempt_name = f"{self._job.name}-{await dispatcher.input_version()}-{attempt}"
        videos = {f"{row.number:06}{plan.suffix}": row for row in rows}
        folder = self._folder / attempt

        async def on_video(name: str, outcome: VideoOutcome, artifact: Artifact | None, path: Path | None) -> None:
            row = videos[name]
            if row.number not in self._methods:
                return  # another attempt was first
            if outcome.failure:
                self._on_failed(row, method, outcome.failure)
            if not (outcome.report and artifact):
                return
            output = await make_chunk_output(dispatcher, plan.template.root, artifact, path, outcome.report)
            output = await dispatcher.transfer(output, self._job.store, folder / name)
            entry = await self._cache.commit(plan.cache_key(row, method), output)
            await self._write(row, entry, output.path)
            self._on_rendered(row, outcome.report, worker)

        spec = plan.spec([BatchItem(name=name, props=row.props) for name, row in videos.items()], method)
        artifact_keys = {
            name: partial(plan.cache_key(row, method).artifact_key, attempt_name) for name, row in videos.items()
        }
        command = make_command(spec, plan.suffix, artifact_keys)
        try:
            await render_videos(dispatcher, command, folder, lambda: on_frames(0), on_video)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _write(self, row: Row, entry: CacheEntry, path: Path | None = None) -> None:
        """Writes a row's output. ``path`` is its segment, if that is on our disk.

        Raises:
            Damaged: the cached segment has changed.
            StitchError, OutputError: the output can't be written.
        """
        if path is None:
            path = self._folder / f"cached-{row.number:06}{Path(entry.segment).suffix}"
            await self._cache.download(entry, path)
        if not await asyncio.to_thread(place_video, path, row.output):
            await self._stitcher.stitch([path], row.output)
        path.unlink()

    def _on_rendered(self, row: Row, report: ChunkReport, worker: int) -> None:
        if self._methods.pop(row.number, None) is None:
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

    def _on_failed(self, row: Row, method: CaptureMethod, failure: VideoFailure) -> None:
        """Has a row's video captured with the next method, or fails it if there is none."""
        may_differ = failure.code in _CAPTURE_ERRORS
        other = next_method(self._plan.methods, method, failure.code) if may_differ else None
        if other is None:
            if failure.code in (CaptureUnsafe.code, CaptureBroken.code):
                message = advise(failure.message, self._plan.template.encoding.encoder)
                failure = failure.model_copy(update={"message": message})
            self._fail(row, failure)
            return
        self._methods[row.number] = self._plan.methods.index(other)
        self._losses.pop(row.number, None)
        how = "" if other in FAST else " with faithful capture"
        self._warn(f"row {row.number}: fast capture is not safe: {failure.message}. Helios renders it again{how}")

    def _fail(self, row: Row, failure: VideoFailure) -> None:
        del self._methods[row.number]
        self._results[row.number] = VideoResult(
            row=row.number, output=row.output, outcome="failed", error=failure.message
        )
        self._emit(VideoFailed(row=row.number, output=row.output, error=failure.message, code=failure.code))

    def _on_schedule_event(self, event: RenderEvent) -> None:
        """Emits the events of a schedule that concern videos: its chunks are groups."""
        if isinstance(event, WarningIssued):
            self._emit(event)
        elif isinstance(event, ChunkAttemptFailed) and event.retried:
            self._warn(f"a worker was lost, and its unfinished videos are rendered again: {event.error}")

    def _warn(self, message: str) -> None:
        self._emit(WarningIssued(message=message))
