"""How a video is split: chunks, workers and capture methods."""

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
"""Default maximum of frames in a chunk. A worker steps a page of motion "step" through all frames before its chunk, so
many chunks would cost more than they save."""


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """A caller's request for a video. None leaves a choice to the page, to the encoder, or to this machine.

    ``frame_range`` is ``A:B`` (B not included); ``chunk_frames`` is the maximum of frames in a chunk. With a ``fleet``,
    chunks are rendered by workers that have a machine each. An ``early`` video is played before it is finished. With
    ``listen``, the probe reports the page's audio. ``ready_timeout`` is in seconds.
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
        """The page's network access: by default "all" on this machine, "public" on a fleet."""
        return self.network or ("public" if self.fleet else "all")

    @property
    def page(self) -> PageSettings:
        """The settings that the browser opens the page with."""
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
    """The number of workers that keep this machine's cores busy.

    A worker draws a page on one thread, and encodes the images on others, which wait for each other. With the
    ``costs`` of a frame, the number follows from the share of drawing; a further worker would only cost its start, and
    for a page that is stepped through, all steps once more. Without them it is one for each core: in faithful capture,
    the browser packs the images, and encoding is the smaller part (measured: docs/performance.md). A worker takes half
    a second to start, so each should have some frames to draw.
    """
    share = costs.draw_ms / (costs.draw_ms + SPREAD * costs.encode_ms) if costs else 1.0
    return max(1, min(math.ceil(share * cores()), frames // MIN_SHARE))


def fleet_workers(frames: int) -> int:
    """The default number of workers of a fleet: each takes seconds to start."""
    return max(1, min(FLEET, frames // FLEET_SHARE))


EARLY_S = 4
"""Seconds of video in a chunk that is played before the others are finished."""
FLEET = 50
FLEET_SHARE = 30
"""Frames below which a further worker of a fleet does not pay for its own start."""
FLEET_CORES = 2
"""Cores of a worker of a fleet, as Helios deploys it."""
SPREAD = 0.6
"""The share of encoding that runs on other threads than drawing (measured, x264)."""
MIN_SHARE = 10
"""Frames below which a further worker does not pay for its own start."""


def chunks_for(
    frames: range, motion: Motion, workers: int, chunk_frames: int | None, most: int | None = None
) -> tuple[Chunk, ...]:
    """The chunks of ``frames``, with at most ``chunk_frames``, or else ``most`` unless the page is stepped through."""
    if chunk_frames is not None:
        return split(frames, chunk_frames)
    longest = MAX_CHUNK[motion]
    return split(frames, longest if motion == "step" else min(longest, most or longest), multiple=workers)


def capture_methods(request: RenderRequest, probe: Probe) -> list[CaptureMethod]:
    """The capture methods for a video: the probe's choice, then the fallbacks for when it turns out to be unsafe."""
    methods: list[CaptureMethod] = [probe.capture]
    if probe.capture == "canvas":
        methods.append("stage")
    if probe.capture in FAST and request.capture == "auto" and request.encoding.encoder == "ffmpeg":
        methods.append(probe.faithful)
    return methods


def plan_chunks(request: RenderRequest, probe: Probe, methods: Sequence[CaptureMethod]) -> RenderPlan:
    """The plan for a video that is captured with the first of ``methods``, and falls back to the next where one is
    unsafe.

    Raises:
        UsageError: the request makes no video.
    """
    frames = range(probe.composition.frames)
    if request.frame_range is not None:
        frames = parse_range(request.frame_range, len(frames))
    method, *others = methods
    if request.fleet:
        workers = request.workers or fleet_workers(len(frames))
    else:
        workers = request.workers or paying_workers(len(frames), probe.costs if method in FAST else None)
    most = round(EARLY_S * probe.composition.fps) if request.early else None
    chunks = chunks_for(frames, probe.motion, workers, request.chunk_frames, most)
    workers = min(workers, len(chunks))
    return RenderPlan(
        probe.composition,
        request.encoding,
        probe.model_copy(update={"capture": method}),
        chunks,
        workers,
        encoder_threads=FLEET_CORES if request.fleet else max(1, cores() // workers),
        fallback=plan_chunks(request, probe, others) if others else None,
    )
