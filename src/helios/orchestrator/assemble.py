"""Segments, audio and text become the output."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from helios.adapters import WorkerAdapter
from helios.audio import AudioSettings
from helios.composition import names_each_frame
from helios.orchestrator.audio_mix import mixing
from helios.orchestrator.chunk_cache import CacheEntry
from helios.orchestrator.commands import CommandPlan
from helios.orchestrator.events import EventSink, StitchStarted, WarningIssued
from helios.orchestrator.pages import RenderPlan
from helios.orchestrator.run import PlanRun
from helios.orchestrator.streaming import Prefix, streaming
from helios.output import check_output
from helios.stitcher import VideoStitcher
from helios.text import Text, check_container, find_late_text

StitchChoice = Literal["local", "remote"]
"""Where segments are joined: on this machine, or by a worker."""


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """The file ``path`` that a job writes. ``audio``, ``text`` and ``hls`` are for videos of pages only.

    With ``stitch`` remote, a worker joins the segments; if it fails, this machine does. ``hls`` is the folder of a
    stream that can be played before the video is finished.
    """

    path: Path
    stitch: StitchChoice = "local"
    audio: AudioSettings | None = None
    text: Text | None = None
    hls: Path | None = None

    def check(self) -> None:
        """Checks that the file can be written, and can hold the text.

        Raises:
            UsageError: it can't hold the text.
            OutputError: it can't be written.
        """
        check_output(self.path, pattern=names_each_frame(self.path))
        if self.text:
            check_container(self.text, self.path.suffix.lower())


class Assembler:
    """Writes ``output``. ``stitcher`` joins segments, and ``adapter``, which shares our disk, runs merge commands."""

    def __init__(self, output: OutputSpec, stitcher: VideoStitcher, adapter: WorkerAdapter, emit: EventSink) -> None:
        self._output = output
        self._stitcher = stitcher
        self._adapter = adapter
        self._emit = emit
        self._mixed: Callable[[], Awaitable[Path]] | None = None
        self._text: Text | None = None

    @asynccontextmanager
    async def preparing(self, plan: RenderPlan | CommandPlan, folder: Path) -> AsyncGenerator[None]:
        """Mixes the audio in ``folder`` while the block runs, and cuts the text to the frames of ``plan``."""
        async with AsyncExitStack() as stack:
            if isinstance(plan, RenderPlan):
                suffix, text = self._output.path.suffix.lower(), self._output.text
                if self._output.audio:
                    mix = mixing(self._output.audio, plan, folder, suffix, self._emit)
                    self._mixed = await stack.enter_async_context(mix)
                self._text = text and text.within(*plan.span)
                for warning in find_late_text(text, plan.composition.page.captions, plan.composition.duration):
                    self._emit(WarningIssued(message=warning))
            yield

    async def assemble(self, run: PlanRun) -> list[CacheEntry]:
        """Has ``run`` render its chunks, and writes the output from them. Returns the chunks' cache entries.

        Raises:
            HeliosError: as ``PlanRun.render_chunks``.
            CommandFailed, WorkerError, StitchError, OutputError: the output can't be written.
        """
        async with self._streaming(run) as prefix:
            entries = await run.render_chunks(prefix)
        target = self._output.path
        joined = run.folder / f"joined{target.suffix}" if self._mixed or self._text else target
        if self._output.stitch == "remote" and await run.join_remotely(entries, joined):
            if joined != target:
                await self._stitcher.stitch([joined], target, await self._audio(), self._text)
        else:
            await self._join(run, await run.download(entries, run.folder / "segments"))
        return entries

    def _streaming(self, run: PlanRun) -> AbstractAsyncContextManager[Prefix | None]:
        if self._output.hls and isinstance(run.plan, RenderPlan):
            return streaming(self._output.hls, run.plan, run.cache, run.folder / "stream", self._mixed, self._emit)
        return nullcontext()

    async def _join(self, run: PlanRun, segments: Sequence[Path]) -> None:
        self._emit(StitchStarted(segments=len(segments)))
        audio = await self._audio()
        if isinstance(run.plan, CommandPlan) and run.plan.merge:
            await run.plan.merge_outputs(self._adapter, segments, run.folder / "joined", self._output.path)
        else:
            await self._stitcher.stitch(segments, self._output.path, audio, self._text)

    async def _audio(self) -> Path | None:
        return await self._mixed() if self._mixed else None
