"""Videos of pages: what is to be drawn, how, and in which chunks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from helios.adapters import WorkerAdapter
from helios.composition import Composition
from helios.orchestrator.chunk_cache import REPORT, ChunkOutput, ChunkStats, Place, short_digest
from helios.orchestrator.chunks import Chunk
from helios.orchestrator.dispatch import Workplace
from helios.orchestrator.liveness import LivenessPolicy
from helios.renderer.messages import ChunkReport, ChunkSpec, Encoding, Probe
from helios.stitcher import VideoStitcher
from helios.text import Text
from helios.worker import Artifact


@dataclass(frozen=True)
class RenderPlan:
    """What is to be drawn, how, and in which parts."""

    composition: Composition
    encoding: Encoding
    probe: Probe
    chunks: tuple[Chunk, ...]
    workers: int
    encoder_threads: int = 1
    fallback: RenderPlan | None = None
    """The same video, drawn with another method: for when this one turns out to be unsafe."""

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
        """The ending of a segment's name."""
        return self.encoding.suffix(alpha=self.composition.page.alpha)

    @property
    def liveness(self) -> LivenessPolicy:
        """A page may take its time at any frame, and start slowly."""
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
        """Where the video to be made begins and ends in the composition, in seconds."""
        fps = self.composition.fps
        return self.chunks[0].start / fps, self.chunks[-1].stop / fps

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was off when the page was looked at."""
        return self.probe.warnings

    def warned(self, warnings: Sequence[str]) -> RenderPlan:
        """The same plan, with more that is off."""
        return replace(self, probe=self.probe.model_copy(update={"warnings": (*self.warnings, *warnings)}))

    def draws_as(self, other: RenderPlan) -> bool:
        """Whether the other plan draws the same frames in the same way, if perhaps in other parts."""
        if (self.fallback is None) != (other.fallback is None):
            return False
        same = (
            (plan.composition, plan.encoding, plan.chunks[0].start, plan.chunks[-1].stop, plan.probe.capture,
             plan.probe.motion, plan.probe.browser, plan.probe.renderer)
            for plan in (self, other)
        )  # fmt: skip
        alike = next(same) == next(same)
        return alike and (not self.fallback or not other.fallback or self.fallback.draws_as(other.fallback))

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
        """The message that has ``chunk`` drawn."""
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

    def place(self, chunk: Chunk) -> Place:
        """Where a chunk is kept: under all that makes its pixels what they are, but for the page's own files."""
        seam = "" if chunk.index < len(self.chunks) - 1 else "-end"
        return Place(self._shared, f"{chunk.start:09}-{chunk.stop:09}{seam}")

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

    async def make(
        self, at: Workplace, chunk: Chunk, folder: Path, key: Callable[[str], str], heard: Callable[[int], None]
    ) -> ChunkOutput:
        """Has a chunk drawn, in ``folder`` if that is where the work is done; its files get the keys that ``key`` says.

        Raises:
            HeliosError: of the class that the renderer's exit code tells.
        """
        name = f"segment{self.suffix}"
        outputs = {name: key(self.suffix), f"{name}.json": key(REPORT)}  # the report last
        result = await at.draw(
            "chunk",
            self.spec(chunk),
            folder,
            outputs,
            lambda percent: heard(round(percent * chunk.frames / 100)),
        )
        report = await at.read(result, folder, f"{name}.json")
        return await self._made(at, result.outputs[name], at.path(folder, name), report)

    async def adopt(self, at: Workplace, chunk: Chunk, key: Callable[[str], str]) -> ChunkOutput:
        """A chunk that a worker has made after whoever sent it was gone.

        Raises:
            ArtifactMissing: it is not there.
        """
        assert at.store, "what was made on our disk is gone"
        report = await at.store.get(key(REPORT))
        segment = key(self.suffix)
        data = await at.store.get(segment)
        artifact = Artifact(segment, hashlib.sha256(data).hexdigest(), len(data))
        return await self._made(at, artifact, None, report)

    async def _made(self, at: Workplace, artifact: Artifact, path: Path | None, text: bytes) -> ChunkOutput:
        return await read_chunk_output(at, self.root, artifact, path, ChunkReport.model_validate_json(text))

    async def join(
        self,
        adapter: WorkerAdapter,
        stitcher: VideoStitcher,
        segments: Sequence[Path],
        folder: Path,
        output: Path,
        audio: Path | None = None,
        text: Text | None = None,
    ) -> None:
        """Joins the chunks' segments, the ``audio`` and the ``text``, into ``output``.

        Raises:
            StitchError, OutputError: it can't be made.
        """
        await stitcher.stitch(segments, output, audio, text)


async def read_chunk_output(
    at: Workplace, root: Path | None, artifact: Artifact, path: Path | None, report: ChunkReport
) -> ChunkOutput:
    """What was drawn of a page in the folder ``root``: the segment ``artifact``, and what its worker says of it."""
    stats = ChunkStats(
        frames=report.stop - report.start,
        hashes=report.hashes,
        first=report.first,
        after=report.after,
        repeated=report.repeated,
        warnings=report.warnings,
    )
    return ChunkOutput(
        artifact, path, stats, await at.used(report.used), report.uses_external_resources or root is None
    )
