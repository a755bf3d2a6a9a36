"""Which frames go together."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

from helios.composition import Cue, Declared, Network, PageSettings, Source, parse_range
from helios.orchestrator.chunks import Chunk, split
from helios.orchestrator.pages import RenderPlan
from helios.renderer.messages import FAST, CaptureChoice, CaptureMethod, Costs, Encoding, Motion, Probe

MAX_CHUNK = {"seek": 600, "jump": 600, "step": 3000}
"""The most frames that a chunk gets when nothing is said. A page that is stepped is stepped through all frames
before a chunk, so many chunks of it would cost more than they save."""


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """What a caller asks for. What is None is left to the page, to the encoder, or to this machine.

    ``frame_range`` is ``A:B`` (B not included); ``chunk_frames`` is the most frames that a chunk may have. With a
    ``fleet`` chunks are drawn elsewhere, each by a worker that has its machine to itself. An ``early`` video is to be
    played before it is whole. With ``listen``, the plan's probe tells what is heard of the page.
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
    network: Network | None = None
    alpha: bool = False
    early: bool = False
    fleet: bool = False
    captions: tuple[Cue, ...] = ()
    listen: bool = False

    @property
    def reach(self) -> Network:
        """What the page may reach; if nothing is said, all that this machine can, or what everybody can."""
        return self.network or ("public" if self.fleet else "all")

    @property
    def page(self) -> PageSettings:
        """The settings that the page is opened with."""
        return PageSettings(
            props=self.props,
            ready_timeout=self.ready_timeout,
            network=self.reach,
            alpha=self.alpha,
            captions=self.captions,
        )


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def paying_workers(frames: int, costs: Costs | None = None) -> int:
    """How many workers pay off on this machine.

    A page is drawn by one thread, and its images are encoded beside it, by threads that wait for each other. So,
    where the costs of a frame are known, as many workers keep all cores busy as the drawing has of them; every
    further one would only cost its start, and for a page that is stepped through, all steps once more. Without
    ``costs``, one for each core: exact images are packed by the browser, and encoding is the smaller part
    (measured: docs/performance.md). A worker takes half a second to start, so each should have some frames to draw.
    """
    share = costs.draw_ms / (costs.draw_ms + SPREAD * costs.encode_ms) if costs else 1.0
    return max(1, min(math.ceil(share * cores()), frames // MIN_SHARE))


def fleet_workers(frames: int) -> int:
    """How many workers of a fleet a video gets if nothing is said: each takes seconds to start."""
    return max(1, min(FLEET, frames // FLEET_SHARE))


EARLY_S = 4
"""Seconds of video in a chunk that is to be played before the rest is there."""
FLEET = 50
FLEET_SHARE = 30
"""Frames below which a further worker of a fleet does not pay for its own start."""
FLEET_CORES = 2
"""Cores that a worker of a fleet has, if it is deployed as Helios deploys it."""
SPREAD = 0.6
"""How much of the encoding other threads take over from the one that is busy drawing (measured, x264)."""
MIN_SHARE = 10
"""Frames below which a further worker does not pay for its own start."""


def chunks_for(
    frames: range, motion: Motion, workers: int, chunk_frames: int | None, most: int | None = None
) -> tuple[Chunk, ...]:
    """The chunks of ``frames`` for that many workers; ``most`` frames in each, if they need not be stepped through."""
    if chunk_frames is not None:
        return split(frames, chunk_frames)
    longest = MAX_CHUNK[motion]
    return split(frames, longest if motion == "step" else min(longest, most or longest), multiple=workers)


def plan_chunks(request: RenderRequest, found: Probe, methods: Sequence[CaptureMethod]) -> RenderPlan:
    """The plan for a video that is drawn with the first of ``methods``, with each as a plan for when the one before
    turns out to be unsafe.

    Raises:
        UsageError: the request makes no video.
    """
    frames = range(found.composition.frames)
    if request.frame_range is not None:
        frames = parse_range(request.frame_range, len(frames))
    method, *others = methods
    if request.fleet:
        workers = request.workers or fleet_workers(len(frames))
    else:
        workers = request.workers or paying_workers(len(frames), found.costs if method in FAST else None)
    most = round(EARLY_S * found.composition.fps) if request.early else None
    chunks = chunks_for(frames, found.motion, workers, request.chunk_frames, most)
    workers = min(workers, len(chunks))
    return RenderPlan(
        found.composition,
        request.encoding,
        found.model_copy(update={"capture": method}),
        chunks,
        workers,
        encoder_threads=FLEET_CORES if request.fleet else max(1, cores() // workers),
        fallback=plan_chunks(request, found, others) if others else None,
    )
