"""Which frames go together."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import pairwise

from helios.composition import Composition, Declared, Source
from helios.errors import UsageError
from helios.renderer.spec import CaptureChoice, ChunkSpec, Encoding, Motion, Probe

MAX_CHUNK = {"seek": 600, "jump": 600, "step": 3000}
"""The most frames that a chunk gets when nothing is said. A page that is stepped is stepped through all frames
before a chunk, so many chunks of it would cost more than they save."""


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """What a caller asks for. What is None is left to the page, to the encoder, or to this machine.

    ``frame_range`` is ``A:B`` (B not included); ``chunk_frames`` is the most frames that a chunk may have.
    """

    source: Source
    declared: Declared
    encoding: Encoding
    props: object = None
    frame_range: str | None = None
    workers: int | None = None
    chunk_frames: int | None = None
    capture: CaptureChoice = "auto"
    ready_timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """Frames ``start`` to ``stop`` (not included), to be drawn by one worker into one segment."""

    index: int
    start: int
    stop: int

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return self.stop - self.start

    def __str__(self) -> str:
        return f"chunk {self.index} (frames {self.start}:{self.stop})"


@dataclass(frozen=True, slots=True)
class RenderPlan:
    """What is to be drawn, how, and in which parts."""

    composition: Composition
    encoding: Encoding
    probe: Probe
    chunks: tuple[Chunk, ...]
    workers: int
    may_go_back: bool = False
    """Whether the film may be drawn faithfully if fast capture turns out to be unsafe."""

    @property
    def frames(self) -> int:
        """Frames in all chunks."""
        return sum(chunk.frames for chunk in self.chunks)

    def faithful(self) -> RenderPlan:
        """The same film, drawn faithfully."""
        probe = self.probe.model_copy(update={"capture": self.probe.faithful})
        return replace(self, probe=probe, may_go_back=False)

    def spec(self, chunk: Chunk) -> ChunkSpec:
        """The message that has ``chunk`` drawn."""
        return ChunkSpec(
            composition=self.composition,
            start=chunk.start,
            stop=chunk.stop,
            encoding=self.encoding,
            capture=self.probe.capture,
            motion=self.probe.motion,
        )


def split(frames: range, most: int, multiple: int = 1) -> tuple[Chunk, ...]:
    """``frames`` in chunks of at most ``most`` frames, whose lengths differ by 1 at most, none of them empty.

    There are a multiple of ``multiple`` chunks, as far as the frames suffice, so that as many workers end
    together.
    """
    if most < 1:
        raise UsageError(f"a chunk must have at least 1 frame, not {most}")
    count = -(-len(frames) // most)
    count = min(-(-count // multiple) * multiple, len(frames))
    bounds = [frames.start + len(frames) * i // count for i in range(count + 1)]
    return tuple(Chunk(i, *pair) for i, pair in enumerate(pairwise(bounds)))


def paying_workers(frames: int) -> int:
    """How many workers pay off on this machine.

    One for each core: a page is drawn and its picture packed by one thread after another, so a second worker
    fills what the first leaves idle, and a third gains nothing (measured: docs/performance.md). A worker takes
    half a second to start, so each should have some frames to draw.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, frames // MIN_SHARE))


MIN_SHARE = 10
"""Frames below which a further worker does not pay for its own start."""


def chunks_for(frames: range, motion: Motion, workers: int, chunk_frames: int | None) -> tuple[Chunk, ...]:
    """The chunks of ``frames`` for that many workers."""
    if chunk_frames is not None:
        return split(frames, chunk_frames)
    return split(frames, MAX_CHUNK[motion], multiple=workers)
