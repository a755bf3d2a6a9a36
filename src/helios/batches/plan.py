"""The plan for a batch: its videos, and the groups that one command renders."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from helios.batches.events import BatchPlanned
from helios.batches.rows import Row
from helios.composition import Declared
from helios.errors import PageError, UsageError
from helios.orchestrator import RenderOrchestrator, RenderPlan, RenderRequest
from helios.orchestrator.chunk_cache import CacheKey, short_digest
from helios.orchestrator.chunks import Chunk, split
from helios.orchestrator.liveness import LivenessPolicy
from helios.orchestrator.plan import FLEET, FLEET_CORES, cores
from helios.renderer.messages import BatchItem, BatchSpec, CaptureMethod

GROUP_S = 120.0
"""Seconds that a group may take: far longer than the start of its browser."""
FLEET_GROUP_S = 40.0
"""The same for a fleet, whose videos come back together: so short that a lost worker costs little."""
COMMAND_S = 240.0
"""Seconds after which a command starts no further video: another renders the rest of its group in a new browser."""
MAXIMUM_PROBES = 3
_MAXIMUM_VIDEOS = 100
_MAXIMUM_BYTES = 2_000_000
"""Bytes that the props of a group may have: they are sent with the job."""
_LOADING_S = 0.2
_FRAME_S = 0.1
"""Seconds for a frame where the probe timed none."""


@dataclass(frozen=True)
class BatchPlan:
    """Videos of one page. ``template`` is the plan of the row that was probed: its capture methods hold for all rows,
    its size and length for that row alone. ``declared`` holds for all rows.
    """

    template: RenderPlan
    declared: Declared
    rows: tuple[Row, ...]
    asked_workers: int | None = None
    fleet: bool = False

    @property
    def workers(self) -> int:
        """How many workers render in parallel."""
        usual = min(FLEET, round(len(self.rows) * self._video_s / self._group_s)) if self.fleet else cores()
        return max(1, min(self.asked_workers or usual, len(self.rows)))

    @cached_property
    def methods(self) -> tuple[CaptureMethod, ...]:
        """The capture methods: the first, and the fallbacks for videos that it is unsafe for."""
        found: list[CaptureMethod] = []
        plan: RenderPlan | None = self.template
        while plan:
            found.append(plan.probe.capture)
            plan = plan.fallback
        return tuple(found)

    @property
    def liveness(self) -> LivenessPolicy:
        """The same as for single videos."""
        return self.template.liveness

    @property
    def suffix(self) -> str:
        """The suffix of a segment's file name."""
        return self.template.suffix

    def groups(self, rows: Sequence[Row]) -> tuple[Chunk, ...]:
        """The groups of ``rows`` that one command renders, as ranges of their indices."""
        largest = max((len(json.dumps(row.props)) for row in rows), default=1)
        most = max(1, min(_MAXIMUM_VIDEOS, round(self._group_s / self._video_s), _MAXIMUM_BYTES // largest))
        return split(range(len(rows)), most, multiple=self.workers) if rows else ()

    def spec(self, videos: Sequence[BatchItem], method: CaptureMethod) -> BatchSpec:
        """The message that asks a worker for ``videos``."""
        video, probe = self.template.composition, self.template.probe
        return BatchSpec(
            source=video.source,
            declared=self.declared,
            page=video.page.with_props(None),
            videos=tuple(videos),
            size=(video.width, video.height),
            seconds=COMMAND_S,
            encoding=self.template.encoding,
            encoder_threads=FLEET_CORES if self.fleet else max(1, cores() // self.workers),
            capture=method,
            browser=probe.browser,
            renderer=probe.renderer,
        )

    def cache_key(self, row: Row, method: CaptureMethod) -> CacheKey:
        """The cache key of a row's video: everything that it depends on, except the page's own files."""
        return CacheKey(self._shared[method], short_digest(json.dumps(row.props)))

    @cached_property
    def _shared(self) -> dict[CaptureMethod, str]:
        source = self.template.composition.source
        shared = {
            "declared": self.declared.model_dump(mode="json"),
            "source": {"entry": source.entry, "folder": source.root is not None},
            "encoding": self.template.encoding.model_dump(mode="json"),
            "alpha": self.template.composition.page.alpha,
            "browser": self.template.probe.browser,
            "renderer": self.template.probe.renderer,
        }
        return {
            method: "videos-" + short_digest(json.dumps({**shared, "capture": method}, sort_keys=True))
            for method in self.methods
        }

    def event(self) -> BatchPlanned:
        """The event for this plan."""
        video, probe = self.template.composition, self.template.probe
        return BatchPlanned(
            videos=len(self.rows),
            workers=self.workers,
            width=video.width,
            height=video.height,
            fps=video.fps,
            capture=probe.capture,
            comparison=probe.comparison,
            browser=probe.browser,
        )

    @property
    def _group_s(self) -> float:
        return FLEET_GROUP_S if self.fleet else GROUP_S

    @property
    def _video_s(self) -> float:
        """Estimated seconds for a video, if all are like the probed one."""
        costs = self.template.probe.costs
        frame = max(costs.draw_ms, costs.encode_ms) / 1000 if costs else _FRAME_S
        return _LOADING_S + frame * self.template.composition.frames


async def plan_batch(orchestrator: RenderOrchestrator, request: RenderRequest, rows: Sequence[Row]) -> BatchPlan:
    """Probes the page with the first of ``MAXIMUM_PROBES`` rows that it can be rendered with.

    Raises:
        HeliosError: it can't be rendered with any of them.
    """
    *first, last = rows[:MAXIMUM_PROBES]
    for row in first:
        with contextlib.suppress(PageError, UsageError):
            template = await orchestrator.plan(replace(request, props=row.props))
            break
    else:
        template = await orchestrator.plan(replace(request, props=last.props))
    return BatchPlan(template, request.declared, tuple(rows), request.workers, request.fleet)
