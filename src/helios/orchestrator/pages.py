"""Plans for videos of pages, and how a worker renders one of their chunks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from helios.composition import Composition
from helios.orchestrator.chunk_cache import REPORT, CacheKey, ChunkOutput, ChunkStats, short_digest
from helios.orchestrator.chunks import Chunk
from helios.orchestrator.dispatch import Dispatcher
from helios.orchestrator.events import RenderPlanned
from helios.orchestrator.execute import RendererCommand
from helios.orchestrator.liveness import LivenessPolicy
from helios.orchestrator.remote import RemoteDispatcher
from helios.renderer.messages import ChunkReport, ChunkSpec, Encoding, Probe
from helios.worker import Artifact


@dataclass(frozen=True)
class RenderPlan:
    """The frames of a video, how workers render them, and in which chunks."""

    composition: Composition
    encoding: Encoding
    probe: Probe
    chunks: tuple[Chunk, ...]
    workers: int
    encoder_threads: int = 1
    fallback: RenderPlan | None = None
    """The same video with another capture method, for when this one turns out to be unsafe."""

    @property
    def frames(self) -> int:
        """Frames in all chunks."""
        return sum(chunk.frames for chunk in self.chunks)

    @property
    def root(self) -> Path | None:
        """The project folder."""
        return self.composition.source.root

    @property
    def suffix(self) -> str:
        """The suffix of a segment's file name."""
        return self.encoding.suffix(alpha=self.composition.page.alpha)

    @property
    def liveness(self) -> LivenessPolicy:
        """Patient: a page may be slow at any frame, and slower at its start."""
        patience = self.composition.page.ready_timeout + 10
        return LivenessPolicy(minimum_heartbeat_timeout=patience, start_timeout=10 * patience)

    @property
    def parts(self) -> tuple[Chunk, ...]:
        """The chunks."""
        return self.chunks

    @property
    def duration(self) -> float:
        """Seconds."""
        return float(self.frames / self.composition.fps)

    @property
    def span(self) -> tuple[Fraction, Fraction]:
        """The video's start and end in the composition, in seconds."""
        fps = self.composition.fps
        return self.chunks[0].start / fps, self.chunks[-1].stop / fps

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of the probe."""
        return self.probe.warnings

    def with_warnings(self, warnings: Sequence[str]) -> RenderPlan:
        """The same plan with more warnings."""
        return replace(self, probe=self.probe.model_copy(update={"warnings": (*self.warnings, *warnings)}))

    def renders_as(self, other: RenderPlan) -> bool:
        """Whether ``other`` renders the same frames in the same way, perhaps in other chunks."""
        if (self.fallback is None) != (other.fallback is None):
            return False
        same = (
            (plan.composition, plan.encoding, plan.chunks[0].start, plan.chunks[-1].stop, plan.probe.capture,
             plan.probe.motion, plan.probe.browser, plan.probe.renderer)
            for plan in (self, other)
        )  # fmt: skip
        alike = next(same) == next(same)
        return alike and (not self.fallback or not other.fallback or self.fallback.renders_as(other.fallback))

    def whole(self) -> RenderPlan:
        """The same video in one chunk."""
        start, stop = self.chunks[0].start, self.chunks[-1].stop
        return replace(
            self,
            chunks=(Chunk(0, start, stop),),
            workers=1,
            encoder_threads=self.workers * self.encoder_threads,
            fallback=self.fallback.whole() if self.fallback else None,
        )

    def spec(self, chunk: Chunk) -> ChunkSpec:
        """The message that asks a worker for ``chunk``."""
        return ChunkSpec(
            composition=self.composition,
            start=chunk.start,
            stop=chunk.stop,
            encoding=self.encoding,
            encoder_threads=self.encoder_threads,
            browser=self.probe.browser,
            renderer=self.probe.renderer,
            capture=self.probe.capture,
            motion=self.probe.motion,
            seam=chunk.index < len(self.chunks) - 1,
        )

    def cache_key(self, chunk: Chunk) -> CacheKey:
        """The cache key of a chunk: everything that its pixels depend on, except the page's own files."""
        seam = "" if chunk.index < len(self.chunks) - 1 else "-end"
        return CacheKey(self._shared, f"{chunk.start:09}-{chunk.stop:09}{seam}")

    @cached_property
    def _shared(self) -> str:
        shared = {
            "composition": self.composition.model_dump(
                mode="json", exclude={"source": True, "page": {"ready_timeout", "network"}}
            ),
            "source": {"entry": self.composition.source.entry, "folder": self.root is not None},
            "encoding": self.encoding.model_dump(mode="json"),
            "threads": self.encoder_threads,
            "capture": self.probe.capture,
            "motion": self.probe.motion,
            "browser": self.probe.browser,
            "renderer": self.probe.renderer,
        }
        return "pages-" + short_digest(json.dumps(shared, sort_keys=True))

    async def render_chunk(
        self,
        dispatcher: Dispatcher,
        chunk: Chunk,
        folder: Path,
        artifact_key: Callable[[str], str],
        on_frames: Callable[[int], None],
    ) -> ChunkOutput:
        """Has a worker render a chunk, in ``folder`` where workers share our disk.

        ``artifact_key`` gives the store's key of an output by its suffix; ``on_frames`` is called with the number of
        finished frames.

        Raises:
            HeliosError: as ``Dispatcher.run_renderer``.
        """
        name = f"segment{self.suffix}"
        outputs = {name: artifact_key(self.suffix), f"{name}.json": artifact_key(REPORT)}  # the report last
        result = await dispatcher.run_renderer(
            RendererCommand("chunk", self.spec(chunk), outputs),
            folder,
            lambda percent: on_frames(round(percent * chunk.frames / 100)),
        )
        report = ChunkReport.model_validate_json(await dispatcher.read_output(result, folder, f"{name}.json"))
        path = dispatcher.output_path(folder, name)
        return await make_chunk_output(dispatcher, self.root, result.outputs[name], path, report)

    async def adopt_chunk(self, dispatcher: RemoteDispatcher, artifact_key: Callable[[str], str]) -> ChunkOutput:
        """A chunk that a worker finished after its runner was gone.

        Raises:
            ArtifactMissing: it is not in the store.
        """
        report = ChunkReport.model_validate_json(await dispatcher.store.get(artifact_key(REPORT)))
        segment = artifact_key(self.suffix)
        data = await dispatcher.store.get(segment)
        artifact = Artifact(segment, hashlib.sha256(data).hexdigest(), len(data))
        return await make_chunk_output(dispatcher, self.root, artifact, None, report)

    def event(self) -> RenderPlanned:
        """The event for this plan."""
        return RenderPlanned(
            width=self.composition.width,
            height=self.composition.height,
            fps=self.composition.fps,
            frames=self.frames,
            chunks=len(self.chunks),
            workers=self.workers,
            capture=self.probe.capture,
            comparison=self.probe.comparison,
            motion=self.probe.motion,
            browser=self.probe.browser,
        )


async def make_chunk_output(
    dispatcher: Dispatcher, root: Path | None, artifact: Artifact, path: Path | None, report: ChunkReport
) -> ChunkOutput:
    """The output of a worker that rendered ``artifact`` from a page in the folder ``root``."""
    stats = ChunkStats(
        frames=report.stop - report.start,
        hashes=report.hashes,
        first=report.first,
        next_frame=report.next_frame,
        repeated=report.repeated,
        warnings=report.warnings,
    )
    used = await dispatcher.local_stamps(report.used)
    return ChunkOutput(artifact, path, stats, used, report.uses_external_resources or root is None)
