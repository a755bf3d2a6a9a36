"""From a request to a video: plan, dispatch, try again, join."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Literal, get_args

from helios.adapters import WorkerAdapter
from helios.audio import AudioSettings
from helios.composition import Declared, Network, names_each_frame
from helios.errors import ArtifactMissing, CaptureUnsafe, ChunkFailed, HeliosError, PageChanged, UsageError
from helios.orchestrator.attempt import Attempt
from helios.orchestrator.audio_mix import mixing
from helios.orchestrator.chunk_cache import CacheEntry, ChunkCache, ChunkOutput, ChunkStats, Damaged
from helios.orchestrator.chunks import Chunk
from helios.orchestrator.commands import CommandPlan
from helios.orchestrator.dispatch import Workplace
from helios.orchestrator.events import (
    ChunkCached,
    ChunkFinished,
    CommandsPlanned,
    EventSink,
    RenderFinished,
    RenderPlanned,
    RenderResult,
    StitchStarted,
    WarningIssued,
)
from helios.orchestrator.fallback import advised, fallback
from helios.orchestrator.pages import RenderPlan
from helios.orchestrator.plan import RenderRequest, plan_chunks
from helios.orchestrator.retry import RetryPolicy
from helios.orchestrator.schedule import Schedule
from helios.orchestrator.seams import SeamBroken, Seams
from helios.orchestrator.streaming import Prefix, streaming
from helios.output import beside, check_output, place
from helios.renderer.messages import FAST, CaptureChoice, CaptureMethod, Probe, ProbeSpec, StillSpec
from helios.stitcher import VideoStitcher
from helios.storage import ArtifactStore
from helios.text import Text, check_container, find_late_text
from helios.worker import Artifact

_DAMAGES = 3
"""How often chunks that were damaged where they were kept are made again."""

StitchChoice = Literal["local", "remote"]
"""Who joins segments: this machine, or a worker."""


@dataclass(frozen=True, slots=True)
class WorkerPool:
    """Workers at one place: so many, or as many as the plan says."""

    adapter: WorkerAdapter
    workers: int | None = None


class RenderOrchestrator:
    """Makes videos: chunks are drawn by workers behind ``adapter`` and joined by ``stitcher``."""

    def __init__(
        self,
        adapter: WorkerAdapter,
        stitcher: VideoStitcher,
        store: ArtifactStore | None = None,
        *,
        workspace: Path | None = None,
        retry: RetryPolicy | None = None,
        here: WorkerAdapter | None = None,
        pools: Sequence[WorkerPool] = (),
    ) -> None:
        """Without ``store``, nothing that is made outlives a render. ``here`` runs what joins chunks on our disk: by
        default ``adapter``, which then has to share it. Where there are ``crews``, those draw the chunks, from one
        queue.

        Attempts are made in ``workspace``, which is empty then, or else in a hidden folder beside the output.
        ``retry`` says how often chunks are tried.
        """
        self._adapter = adapter
        self._stitcher = stitcher
        self._store = store
        self._workspace = workspace
        self._retry = retry
        self._here = here or adapter
        self._crews = pools or (WorkerPool(adapter),)

    async def plan(self, request: RenderRequest) -> RenderPlan:
        """Looks at the page once and settles what is to be drawn, how, and in which chunks.

        Raises:
            UsageError: the request makes no video.
            MissingTool, PageError: the page can't be drawn.
        """
        if request.workers is not None and request.workers < 1:
            raise UsageError(f"there must be at least 1 worker, not {request.workers}")
        if request.capture not in get_args(CaptureChoice):
            raise UsageError(f"capture is auto, fast or faithful, not {request.capture!r}")
        _check_network(request)
        found = await self._probe(
            ProbeSpec(
                source=request.source,
                declared=request.declared,
                encoding=request.encoding,
                capture=request.capture,
                page=request.page,
                listen=request.listen,
            )
        )
        if request.capture == "fast" and found.capture not in FAST:
            raise UsageError(
                f"{found.browser} has no begin-frame control, which fast capture needs: --capture faithful"
            )
        if request.encoding.encoder == "browser" and found.capture not in FAST:
            why = f" ({found.comparison.reason})" if found.comparison else ""
            raise UsageError(f"the browser encodes only what is drawn fast, as this page is not{why}: --encoder ffmpeg")
        return plan_chunks(request, found, _methods(request, found))

    async def render(
        self,
        plan: RenderPlan | CommandPlan,
        output: Path,
        emit: EventSink = lambda event: None,
        *,
        job: str | None = None,
        fresh: bool = False,
        stitch: StitchChoice = "local",
        audio: AudioSettings | None = None,
        hls: Path | None = None,
        text: Text | None = None,
    ) -> RenderResult:
        """Makes a plan's chunks and joins them into ``output``, which appears whole or not at all.

        Chunks that the store holds are not made again. One whose worker fails is tried again. If fast capture, chosen
        by the probe, turns out to be unsafe in a frame that the probe did not see, or breaks the browser there, the
        whole video is drawn again in the next best way; if chunks don't fit together where they meet, it is drawn in
        one. ``job`` names the job; a ``fresh`` one takes nothing that other jobs have made. ``stitch`` remote has a
        worker join the segments, where workers don't share our disk; if it can't, they are joined here. ``audio``,
        which only videos of pages have, is mixed meanwhile; ``text``, which only they have too, goes in at the join.
        What is finished can be played from a playlist in the folder ``hls`` already. ``emit`` gets
        every event, ``RenderFinished`` last.

        Raises:
            ChunkFailed: a chunk could not be made; the others are stopped.
            UsageError: the output can't hold the text.
            OutputError: the output can't be written.
            PageError, CommandFailed, StitchError, MissingTool: what else ended it.
        """
        started = time.monotonic()
        check_output(output, pattern=names_each_frame(output))
        if text:
            check_container(text, output.suffix.lower())
        job = job or secrets.token_hex(8)
        attempts = damaged = 0
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(self._work_folder(output))
            thread = stack.enter_context(ThreadPoolExecutor(1))
            heard = None
            if audio and isinstance(plan, RenderPlan):
                mixed = mixing(audio, plan, folder / "audio", output.suffix.lower(), emit)
                heard = await stack.enter_async_context(mixed)
            read = None
            if isinstance(plan, RenderPlan):
                read = text and text.within(*plan.span)
                for warning in find_late_text(text, plan.composition.page.captions, plan.composition.duration):
                    emit(WarningIssued(message=warning))
            thread.submit(import_module, "av")  # takes a while, and joining needs it: meanwhile others draw
            store = self._store or ArtifactStore.at(folder / "store")
            warned: set[str] = set()
            while True:
                emit(_planned(plan))
                for warning in plan.warnings:
                    if warning not in warned:
                        emit(WarningIssued(message=warning))
                warned.update(plan.warnings)
                cache = ChunkCache(store, job, plan.root, fresh=fresh)
                work = folder / f"plan-{len(list(folder.iterdir()))}"
                run = _Run(self._crews, plan, store, cache, work, emit, warned, job, self._retry)
                try:
                    if hls and isinstance(plan, RenderPlan):
                        stream = streaming(hls, plan, cache, work / "stream", heard, emit)
                        async with stream as prefix:
                            records = await run.all_chunks(prefix)
                    else:
                        records = await run.all_chunks()
                    silent = work / f"joined{output.suffix}" if heard or read else output
                    joined = stitch == "remote" and await run.join(records, silent)
                    segments = [] if joined else await run.bring(records, work / "segments")
                    break
                except Damaged as error:
                    damaged += 1
                    if damaged == _DAMAGES:
                        raise
                    emit(WarningIssued(message=f"{error}. It is made again"))
                except (CaptureUnsafe, ChunkFailed) as error:
                    if not isinstance(plan, RenderPlan):
                        raise
                    plan = fallback(plan, error)
                    how = "" if plan.probe.capture in FAST else " faithfully"
                    emit(
                        WarningIssued(
                            message=f"fast capture is not safe for this page: {error}. It is drawn again{how}"
                        )
                    )
                except SeamBroken as error:
                    assert isinstance(plan, RenderPlan), "commands tell nothing of their frames"
                    plan = plan.whole()
                    emit(WarningIssued(message=f"this page can't be drawn in parts: {error}. It is drawn again in one"))
                finally:
                    attempts += run.attempts
            if not joined:
                emit(StitchStarted(segments=len(records)))
                sounding = await heard() if heard else None
                await plan.join(self._here, self._stitcher, segments, work / "joined", output, sounding, read)
            elif heard or read:
                await self._stitcher.stitch([silent], output, await heard() if heard else None, read)
            hashes = [digest for chunk, record in zip(plan.parts, records, strict=True)
                      for digest in (await cache.stats(plan.place(chunk), record)).hashes]  # fmt: skip
        result = RenderResult(
            output=output,
            frames=sum(chunk.frames for chunk in plan.parts),
            duration=plan.duration,
            seconds=time.monotonic() - started,
            attempts=attempts,
            rendered_chunks=len(plan.parts) - run.cached,
            cached_chunks=run.cached,
            hashes=tuple(hashes),
            cost=total_cost(pool.adapter.spent for pool in self._crews),
        )
        emit(RenderFinished.from_result(result))
        return result

    async def still(self, request: RenderRequest, frame: int, output: Path) -> None:
        """Draws one frame into a PNG or JPEG. A video without a length is taken to end with that frame.

        Raises:
            UsageError: there is no such frame, or no such kind of image.
            MissingTool, PageError, OutputError: it can't be drawn or written.
        """
        name = f"still{output.suffix.lower()}"
        if name not in ("still.png", "still.jpg", "still.jpeg"):
            raise UsageError(f"{output.name}: a still is a .png or a .jpg")
        if request.alpha and name != "still.png":
            raise UsageError(f"{output.name}: only a .png holds transparency")
        check_output(output)
        _check_network(request)
        found = await self._probe(
            ProbeSpec(
                source=request.source,
                declared=request.declared,
                fallback=Declared(frames=max(0, frame) + 1),
                page=request.page,
            )
        )
        if not 0 <= frame < found.composition.frames:
            raise UsageError(f"there is no frame {frame}: the video has frames 0 to {found.composition.frames - 1}")
        spec = StillSpec(composition=found.composition, frame=frame, capture=found.capture, motion=found.motion)
        with beside(output) as folder:
            at = Workplace(self._adapter, request.source.root)
            part = folder / name
            part.write_bytes(await at.answer("still", spec, folder / "still", name))
            await asyncio.to_thread(place, part, output)

    def _work_folder(self, output: Path) -> AbstractContextManager[Path]:
        return nullcontext(self._workspace) if self._workspace else beside(output, pattern=names_each_frame(output))

    async def _probe(self, spec: ProbeSpec) -> Probe:
        try:
            return await self._answer(spec)
        except CaptureUnsafe as error:
            raise advised(error, spec.encoding.encoder if spec.encoding else "ffmpeg") from error

    async def _answer(self, spec: ProbeSpec) -> Probe:
        with tempfile.TemporaryDirectory(prefix="helios-", ignore_cleanup_errors=True) as folder:
            at = Workplace(self._adapter, spec.source.root)
            answer = await at.answer("probe", spec, Path(folder), "probe.json")
            found = Probe.model_validate_json(answer)
            composition = found.composition.model_copy(update={"source": spec.source})
            return found.model_copy(update={"composition": composition})


class _Run:
    """One plan being carried out: what is not in the ledger is made by as many workers as the plan has."""

    def __init__(
        self,
        pools: Sequence[WorkerPool],
        plan: RenderPlan | CommandPlan,
        store: ArtifactStore,
        cache: ChunkCache,
        folder: Path,
        emit: EventSink,
        warned: set[str],
        job: str,
        retry: RetryPolicy | None,
    ) -> None:
        self._workplaces = [Workplace(pool.adapter, plan.root) for pool in pools]
        self._where = [number for number, pool in enumerate(pools) for _ in range(pool.workers or plan.workers)]
        self._store = store
        self._plan = plan
        self._ledger = cache
        self._folder = folder
        self._emit = emit
        self._warned = warned
        self._job = job
        self._retry = retry
        self._records: dict[int, CacheEntry] = {}
        self._seams = Seams(plan.parts)
        self._prefix: Prefix | None = None
        self.attempts = 0
        self.cached = 0
        """Chunks that were there already."""

    async def all_chunks(self, prefix: Prefix | None = None) -> list[CacheEntry]:
        """The records of all chunks, in the order of the video, without what is known of single frames.

        ``prefix`` gets each of them as soon as it is made.

        Raises:
            SeamBroken: chunks don't fit together.
            PageChanged: they were not made of the same files.
            HeliosError: as ``Schedule.run``.
        """
        self._prefix = prefix
        await self._ledger.read(self._plan.place(chunk).folder for chunk in self._plan.parts)
        missing: list[Chunk] = []
        for chunk in self._plan.parts:
            if record := await self._ledger.find(self._plan.place(chunk)) or await self._adopted(chunk):
                self.cached += 1
                self._emit(ChunkCached(chunk=chunk.index, frames=chunk.frames, start=chunk.start, stop=chunk.stop))
                self._keep(chunk, record)
            else:
                missing.append(chunk)
        schedule = Schedule(
            missing,
            self._workers(len(missing)),
            self._make,
            self._done,
            self._emit,
            retry=self._retry,
            liveness=self._plan.liveness,
        )
        try:
            await schedule.run()
        finally:
            self.attempts = schedule.attempts
        await self._ledger.check(self._records.values())
        return [self._records[chunk.index] for chunk in self._plan.parts]

    def _workers(self, chunks: int) -> list[int]:
        """The places of the workers that may be needed. Of several places all are: for chunks that fail at one."""
        return self._where if len(self._workplaces) > 1 else self._where[: max(1, chunks)]

    async def bring(self, records: Sequence[CacheEntry], folder: Path) -> list[Path]:
        """Segments as files in ``folder``, which is made."""
        folder.mkdir(parents=True)
        paths = [folder / f"{number:06}{Path(record.segment).suffix}" for number, record in enumerate(records)]
        for path, record in zip(paths, records, strict=True):
            await self._ledger.bring(record, path)
        return paths

    async def join(self, records: Sequence[CacheEntry], output: Path) -> bool:
        """Has a worker join the segments; whether it could."""
        self._emit(StitchStarted(segments=len(records)))
        found = [Artifact(record.segment, record.digest, record.size) for record in records]
        try:
            await next(filter(self._is_at_the_store, self._workplaces)).join(found, output)
        except HeliosError as error:
            self._emit(WarningIssued(message=f"{error}. The video is joined here"))
            return False
        return True

    def _is_at_the_store(self, workplace: Workplace) -> bool:
        """Whether workers there keep chunks where the job does."""
        return workplace.store is not None and workplace.store.url == self._store.url

    async def _make(self, chunk: Chunk, number: int, worker: int, heard: Callable[[int], None]) -> CacheEntry:
        folder = self._folder / f"chunk-{chunk.index:06}" / f"attempt-{number}"
        place = self._plan.place(chunk)
        workplace = self._workplaces[self._where[worker]]
        key = partial(place.key, f"{self._job}-{await workplace.version()}-{secrets.token_hex(4)}")
        made = await self._plan.make(workplace, chunk, folder, key, heard)
        if workplace.store and not self._is_at_the_store(workplace):
            made = await fetched(made, workplace.store, folder)
        if await asyncio.to_thread(self._plan.place, chunk) != place:
            raise PageChanged(f"an input of {chunk} was changed while it was made")
        record = await self._ledger.commit(place, made)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        return record

    async def _adopted(self, chunk: Chunk) -> CacheEntry | None:
        """Commits a chunk that a worker has made after an earlier runner of this job was gone."""
        place = self._plan.place(chunk)
        workplace = next(filter(self._is_at_the_store, self._workplaces), None)
        if not (workplace and isinstance(self._plan, RenderPlan)):
            return None
        for attempt in self._ledger.uncommitted(place, f"{self._job}-"):
            if attempt.startswith(f"{self._job}-{await workplace.version()}-"):
                with contextlib.suppress(ArtifactMissing, PageChanged):
                    made = await self._plan.adopt(workplace, chunk, partial(place.key, attempt))
                    return await self._ledger.commit(place, made)
        return None

    def _done(self, attempt: Attempt, record: CacheEntry) -> None:
        self._emit(
            ChunkFinished(
                chunk=attempt.chunk.index,
                attempt=attempt.number,
                worker=attempt.worker,
                frames=attempt.chunk.frames,
                repeated=record.stats.repeated,
                seconds=time.monotonic() - attempt.started,
            )
        )
        self._keep(attempt.chunk, record)

    def _keep(self, chunk: Chunk, record: CacheEntry) -> None:
        for warning in record.stats.warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self._emit(WarningIssued(message=warning))
        self._records[chunk.index] = record.model_copy(update={"stats": ChunkStats(frames=record.stats.frames)})
        self._seams.add(chunk, record.stats)
        if self._prefix:
            self._prefix.add(chunk, record)


async def fetched(made: ChunkOutput, store: ArtifactStore, folder: Path) -> ChunkOutput:
    """A chunk that lies in the store of a place, as a file of ours."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "fetched"
    await store.bring(made.artifact.key, path, own=True)
    with contextlib.suppress(HeliosError):
        await store.delete([made.artifact.key])
    return replace(made, path=path)


def total_cost(costs: Iterable[float | None]) -> float | None:
    """What all have cost together, where anything is paid."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None


def _check_network(request: RenderRequest) -> None:
    if request.reach not in get_args(Network):
        raise UsageError(f"network is none, public or all, not {request.reach!r}")
    if request.reach == "none" and request.source.root is None:
        raise UsageError(f"{request.source.entry} needs the network: --network public")


def _methods(request: RenderRequest, found: Probe) -> list[CaptureMethod]:
    """The methods to draw a video with: the one that was chosen, and those for when it turns out to be unsafe."""
    methods: list[CaptureMethod] = [found.capture]
    if found.capture == "canvas":
        methods.append("stage")
    if found.capture in FAST and request.capture == "auto" and request.encoding.encoder == "ffmpeg":
        methods.append(found.faithful)
    return methods


def _planned(plan: RenderPlan | CommandPlan) -> RenderPlanned | CommandsPlanned:
    frames = sum(chunk.frames for chunk in plan.parts)
    if isinstance(plan, CommandPlan):
        return CommandsPlanned(frames=frames, chunks=len(plan.parts), workers=plan.workers)
    composition = plan.composition
    return RenderPlanned(
        width=composition.width,
        height=composition.height,
        fps=composition.fps,
        frames=frames,
        chunks=len(plan.chunks),
        workers=plan.workers,
        capture=plan.probe.capture,
        comparison=plan.probe.comparison,
        motion=plan.probe.motion,
        browser=plan.probe.browser,
    )
