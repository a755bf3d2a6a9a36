"""From a request to a film: plan, dispatch, try again, join."""

from __future__ import annotations

import asyncio
import errno
import tempfile
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import get_args

from helios.adapters import WorkerAdapter
from helios.composition import Declared
from helios.errors import CaptureUnsafe, ChunkFailed, HeliosError, OutputError, UsageError
from helios.orchestrator.dispatch import run_renderer
from helios.orchestrator.events import (
    ChunkAttemptFailed,
    ChunkFinished,
    ChunkProgress,
    ChunkStarted,
    EventSink,
    Planned,
    Rendered,
    Stitching,
    Warned,
)
from helios.orchestrator.plan import Chunk, RenderPlan, RenderRequest, plan_chunks
from helios.renderer.spec import FAST, CaptureChoice, CaptureMethod, ChunkReport, Probe, ProbeSpec, StillSpec
from helios.stitcher import VideoStitcher

RETRIES = 3
"""How often a chunk is tried again."""


class RenderOrchestrator:
    """Makes films: chunks are drawn by workers behind ``adapter`` and joined by ``stitcher``."""

    def __init__(self, adapter: WorkerAdapter, stitcher: VideoStitcher) -> None:
        self._adapter = adapter
        self._stitcher = stitcher

    async def plan(self, request: RenderRequest) -> RenderPlan:
        """Looks at the page once and settles what is to be drawn, how, and in which chunks.

        Raises:
            UsageError: the request makes no film.
            MissingTool, PageError: the page can't be drawn.
        """
        if request.workers is not None and request.workers < 1:
            raise UsageError(f"there must be at least 1 worker, not {request.workers}")
        if request.capture not in get_args(CaptureChoice):
            raise UsageError(f"capture is auto, fast or faithful, not {request.capture!r}")
        found = await self._probe(
            ProbeSpec(
                source=request.source,
                declared=request.declared,
                encoding=request.encoding,
                capture=request.capture,
                props=request.props,
                ready_timeout=request.ready_timeout,
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

    async def render(self, plan: RenderPlan, output: Path, emit: EventSink = lambda event: None) -> Rendered:
        """Draws a plan's chunks and joins them into ``output``, which appears whole or not at all.

        A chunk whose worker fails is tried again up to 3 times. If fast capture, chosen by the probe, turns out to
        be unsafe in a frame that the probe did not see, the whole film is drawn again in the next best way.
        ``emit`` gets every event, ``Rendered`` last.

        Raises:
            ChunkFailed: a chunk could not be made; the others are stopped.
            OutputError: the output can't be written.
            PageError, StitchError, MissingTool: what else ended it.
        """
        begun = time.monotonic()
        check_output(output)
        emit(_planned(plan))
        for warning in plan.probe.warnings:
            emit(Warned(message=warning))
        with _work_folder(output) as folder, ThreadPoolExecutor(1) as thread:
            thread.submit(import_module, "av")  # takes a while, and joining needs it: meanwhile others draw
            while True:
                run = _Run(self._adapter, plan, folder / plan.probe.capture, emit)
                try:
                    segments, reports = await run.all_chunks()
                    break
                except CaptureUnsafe as error:
                    if not plan.otherwise:
                        raise
                    plan = plan.otherwise
                    how = "" if plan.probe.capture in FAST else " faithfully"
                    emit(Warned(message=f"fast capture is not safe for this page: {error}. It is drawn again{how}"))
                    emit(_planned(plan))
            emit(Stitching(segments=len(segments)))
            await self._stitcher.stitch(segments, output)
        rendered = Rendered(
            output=output,
            frames=plan.frames,
            duration=float(plan.frames / plan.composition.fps),
            seconds=time.monotonic() - begun,
            attempts=run.attempts,
            hashes=tuple(digest for report in reports for digest in report.hashes),
        )
        emit(rendered)
        return rendered

    async def still(self, request: RenderRequest, frame: int, output: Path) -> None:
        """Draws one frame into a PNG. A film without a length is taken to end with that frame.

        Raises:
            UsageError: there is no such frame.
            MissingTool, PageError, OutputError: it can't be drawn or written.
        """
        check_output(output)
        found = await self._probe(
            ProbeSpec(
                source=request.source,
                declared=request.declared,
                fallback=Declared(frames=max(0, frame) + 1),
                props=request.props,
                ready_timeout=request.ready_timeout,
            )
        )
        if not 0 <= frame < found.composition.frames:
            raise UsageError(f"there is no frame {frame}: the film has frames 0 to {found.composition.frames - 1}")
        spec = StillSpec(composition=found.composition, frame=frame, capture=found.capture, motion=found.motion)
        with _work_folder(output) as folder:
            made = await run_renderer(self._adapter, "still", spec, folder / "still", "still.png")
            made.replace(output)

    async def _probe(self, spec: ProbeSpec) -> Probe:
        with tempfile.TemporaryDirectory(prefix="helios-", ignore_cleanup_errors=True) as folder:
            made = await run_renderer(self._adapter, "probe", spec, Path(folder, "probe"), "probe.json")
            return Probe.model_validate_json(made.read_bytes())


class _Run:
    """One plan being drawn: as many workers as it has, all taking chunks from one queue."""

    def __init__(self, adapter: WorkerAdapter, plan: RenderPlan, folder: Path, emit: EventSink) -> None:
        self._adapter = adapter
        self._plan = plan
        self._folder = folder
        self._emit = emit
        self._made: dict[int, tuple[Path, ChunkReport]] = {}
        self._warned: set[str] = set(plan.probe.warnings)
        self.attempts = 0

    async def all_chunks(self) -> tuple[list[Path], list[ChunkReport]]:
        """Segments and reports in the order of the film."""
        queue = iter(self._plan.chunks)
        try:
            async with asyncio.TaskGroup() as group:
                for worker in range(self._plan.workers):
                    group.create_task(self._work(worker, queue))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures.exceptions[0].__cause__
        made = [self._made[chunk.index] for chunk in self._plan.chunks]
        return [segment for segment, _ in made], [report for _, report in made]

    async def _work(self, worker: int, queue: Iterator[Chunk]) -> None:
        for chunk in queue:
            await self._make(chunk, worker)

    async def _make(self, chunk: Chunk, worker: int) -> None:
        causes: list[str] = []
        for attempt in range(1, RETRIES + 2):
            try:
                await self._attempt(chunk, worker, attempt)
            except HeliosError as error:
                causes.append(str(error))
                retried = error.retryable and attempt <= RETRIES
                self._emit(
                    ChunkAttemptFailed(
                        chunk=chunk.index, attempt=attempt, worker=worker, error=str(error), retried=retried
                    )
                )
                if not error.retryable:
                    raise
                if not retried:
                    said = f"{chunk} could not be made in {attempt} attempts. The last one: {error}"
                    raise ChunkFailed(said, chunk=chunk.index, causes=causes) from error
            else:
                return

    async def _attempt(self, chunk: Chunk, worker: int, attempt: int) -> None:
        begun = time.monotonic()
        self.attempts += 1
        self._emit(ChunkStarted(chunk=chunk.index, attempt=attempt, worker=worker, start=chunk.start, stop=chunk.stop))

        def progress(percent: float) -> None:
            frames = round(percent * chunk.frames / 100)
            self._emit(ChunkProgress(chunk=chunk.index, worker=worker, frames=frames))

        folder = self._folder / f"chunk-{chunk.index:06}" / f"attempt-{attempt}"
        segment = await run_renderer(
            self._adapter,
            "chunk",
            self._plan.spec(chunk),
            folder,
            f"segment{self._plan.encoding.suffix}",
            progress,
        )
        report = ChunkReport.model_validate_json(segment.with_name(segment.name + ".json").read_bytes())
        self._made[chunk.index] = segment, report
        for warning in report.warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self._emit(Warned(message=warning))
        self._emit(
            ChunkFinished(
                chunk=chunk.index,
                attempt=attempt,
                worker=worker,
                frames=chunk.frames,
                repeated=report.repeated,
                seconds=time.monotonic() - begun,
            )
        )


def check_output(output: Path) -> None:
    """Makes sure that ``output`` can be written, before anything is drawn.

    Raises:
        OutputError: it can't.
    """
    folder = output.absolute().parent
    if output.is_dir():
        raise OutputError(f"{output} is a folder: name a file in it")
    if not folder.is_dir():
        raise OutputError(f"there is no folder {folder} for {output.name}: make it first")
    try:
        with tempfile.TemporaryFile(prefix=".helios-", dir=folder):
            pass
    except OSError as error:
        raise OutputError(f"the folder {folder} can't be written to: {error.strerror}") from None


@contextmanager
def _work_folder(output: Path) -> Generator[Path]:
    """A hidden folder beside the output, on the same disk, gone afterwards."""
    try:
        folder = tempfile.TemporaryDirectory(
            prefix=".helios-", dir=output.absolute().parent, ignore_cleanup_errors=True
        )
        with folder as name:
            yield Path(name)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OutputError(f"the disk is full: {output} was not written; nothing is left of it") from error
        raise OutputError(f"{output} can't be written: {error.strerror or error}") from error


def _methods(request: RenderRequest, found: Probe) -> list[CaptureMethod]:
    """The methods to draw a film with: the one that was chosen, and those for when it turns out to be unsafe."""
    methods: list[CaptureMethod] = [found.capture]
    if found.capture == "canvas":
        methods.append("stage")
    if found.capture in FAST and request.capture == "auto" and request.encoding.encoder == "ffmpeg":
        methods.append(found.faithful)
    return methods


def _planned(plan: RenderPlan) -> Planned:
    composition = plan.composition
    return Planned(
        width=composition.width,
        height=composition.height,
        fps=composition.fps,
        frames=plan.frames,
        chunks=len(plan.chunks),
        workers=plan.workers,
        capture=plan.probe.capture,
        comparison=plan.probe.comparison,
        motion=plan.probe.motion,
        browser=plan.probe.browser,
    )
