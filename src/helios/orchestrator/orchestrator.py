"""From a request to a video: plan, render, fall back, assemble."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
from importlib import import_module
from pathlib import Path

from helios.adapters import WorkerAdapter
from helios.composition import names_each_frame
from helios.orchestrator.assemble import Assembler, OutputSpec
from helios.orchestrator.commands import CommandPlan
from helios.orchestrator.events import EventSink, RenderFinished, RenderResult, WarningIssued, drop_repeated_warnings
from helios.orchestrator.fallback import RECOVERABLE, Fallback
from helios.orchestrator.pages import RenderPlan
from helios.orchestrator.plan import RenderRequest, capture_methods, plan_chunks
from helios.orchestrator.probe import probe_video, render_still
from helios.orchestrator.retry import RetryPolicy
from helios.orchestrator.run import PlanRun
from helios.orchestrator.transitions import OnTransition, log_transition
from helios.orchestrator.workers import JobContext, WorkerPool, total_cost
from helios.output import beside
from helios.stitcher import VideoStitcher
from helios.storage import ArtifactStore


class RenderOrchestrator:
    """Renders videos: workers behind adapters render the chunks, and ``stitcher`` joins them."""

    def __init__(
        self,
        adapter: WorkerAdapter,
        stitcher: VideoStitcher,
        store: ArtifactStore | None = None,
        *,
        workspace: Path | None = None,
        retry: RetryPolicy | None = None,
        local_adapter: WorkerAdapter | None = None,
        pools: Sequence[WorkerPool] = (),
        on_transition: OnTransition = log_transition,
    ) -> None:
        """Probes run behind ``adapter``. Chunks are rendered by ``pools`` from one queue, or else behind ``adapter``.

        Without ``store``, chunks are deleted after each render. Merge commands run behind ``local_adapter``, by default
        ``adapter``, which then has to share our disk. Attempts run in ``workspace``, an empty folder, or else in a
        hidden folder beside the output. ``on_transition`` gets each change of an attempt's state.
        """
        self._adapter = adapter
        self._stitcher = stitcher
        self._store = store
        self._workspace = workspace
        self._retry = retry or RetryPolicy()
        self._local_adapter = local_adapter or adapter
        self._on_transition = on_transition
        self._pools = pools or (WorkerPool("local" if adapter.store is None else "cloud", adapter),)

    async def plan(self, request: RenderRequest) -> RenderPlan:
        """Probes the page, and plans its frames, capture methods and chunks.

        Raises:
            UsageError: the request makes no video.
            MissingTool, PageError: the page can't be rendered.
        """
        probe = await probe_video(self._adapter, request)
        return plan_chunks(request, probe, capture_methods(request, probe))

    async def render(
        self,
        plan: RenderPlan | CommandPlan,
        output: OutputSpec,
        emit: EventSink = lambda event: None,
        *,
        job: str | None = None,
        fresh: bool = False,
    ) -> RenderResult:
        """Renders a plan's chunks and joins them into ``output``, which appears whole or not at all.

        Chunks that the store has are not rendered again. A chunk whose worker fails is retried. If fast capture, chosen
        by the probe, turns out to be unsafe in a frame that the probe did not see, or breaks the browser there, the
        whole video is rendered again with the next capture method; if chunks don't fit together where they meet, it is
        rendered in one chunk. ``job`` names the job; a ``fresh`` one reads no chunks of other jobs. ``emit`` gets every
        event, ``RenderFinished`` last.

        Raises:
            ChunkFailed: a chunk failed in all attempts; the others are stopped.
            UsageError: the output can't hold the text.
            OutputError: the output can't be written.
            PageError, CommandFailed, StitchError, MissingTool: retries can't help.
        """
        started = time.monotonic()
        output.check()
        emit = drop_repeated_warnings(emit)
        name = job or secrets.token_hex(8)
        fallback, attempts = Fallback(name), 0
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(self._work_folder(output.path))
            thread = stack.enter_context(ThreadPoolExecutor(1))
            assembler = Assembler(output, self._stitcher, self._local_adapter, emit)
            await stack.enter_async_context(assembler.preparing(plan, folder / "audio"))
            thread.submit(import_module, "av")  # joining needs it, and it takes a while: workers render meanwhile
            store = self._store or ArtifactStore.at(folder / "store")
            context = JobContext(name, self._pools, store, self._retry, fresh, self._on_transition)
            while True:
                emit(plan.event())
                for warning in plan.warnings:
                    emit(WarningIssued(message=warning))
                run = PlanRun(context, plan, folder / f"plan-{len(list(folder.iterdir()))}", emit)
                try:
                    entries = await assembler.assemble(run)
                    break
                except RECOVERABLE as error:
                    plan, warning = fallback.next_plan(plan, error)
                    emit(WarningIssued(message=warning))
                finally:
                    attempts += run.attempts
            hashes = await run.frame_hashes(entries)
        result = RenderResult(
            output=output.path,
            frames=sum(chunk.frames for chunk in plan.parts),
            duration=plan.duration,
            seconds=time.monotonic() - started,
            attempts=attempts,
            rendered_chunks=len(plan.parts) - run.cached,
            cached_chunks=run.cached,
            hashes=hashes,
            cost=total_cost(self._pools),
        )
        emit(RenderFinished.from_result(result))
        return result

    async def still(self, request: RenderRequest, frame: int, output: Path) -> None:
        """Renders one frame into a PNG or JPEG. A page without a length has ``frame`` as its last.

        Raises:
            UsageError: there is no such frame, or no such image format.
            MissingTool, PageError, OutputError: it can't be rendered or written.
        """
        await render_still(self._adapter, request, frame, output)

    def _work_folder(self, output: Path) -> AbstractContextManager[Path]:
        return nullcontext(self._workspace) if self._workspace else beside(output, pattern=names_each_frame(output))
