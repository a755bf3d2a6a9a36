"""What a batch draws, and in which groups."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from helios.batches.rows import Row
from helios.composition import Declared
from helios.errors import PageError, UsageError
from helios.orchestrator import RenderOrchestrator, RenderPlan, RenderRequest
from helios.orchestrator.chunk_cache import Place, short_digest
from helios.orchestrator.chunks import Chunk, split
from helios.orchestrator.liveness import LivenessPolicy
from helios.orchestrator.plan import FLEET, FLEET_CORES, cores
from helios.renderer.messages import BatchItem, BatchSpec, CaptureMethod

GROUP_S = 120.0
"""Seconds that a group may take: so long that to start a browser for it is nothing beside that."""
FLEET_GROUP_S = 40.0
"""And where its videos only come back together: so short that not much is lost with a worker."""
SPELL_S = 240.0
"""Seconds after which a worker begins no other video, and what is left of its group goes on with a new browser."""
_LOOKS = 3
_MOST = 100
_MOST_BYTES = 2_000_000
"""What the props of a group may have in all: they travel with the job."""
_LOADING_S = 0.2
_FRAME_S = 0.1
"""What a frame may take where none was timed."""


@dataclass(frozen=True)
class BatchPlan:
    """Videos of one page. ``template`` is that of the row the page was looked at with: what it says of how frames are
    taken holds for all, what it says of size and length for it alone. ``declared`` is what the caller says of all.
    """

    template: RenderPlan
    declared: Declared
    rows: tuple[Row, ...]
    asked_workers: int | None = None
    fleet: bool = False

    @property
    def workers(self) -> int:
        """How many videos are drawn at once."""
        usual = min(FLEET, round(len(self.rows) * self._video_s / self._group_s)) if self.fleet else cores()
        return max(1, min(self.asked_workers or usual, len(self.rows)))

    @cached_property
    def methods(self) -> tuple[CaptureMethod, ...]:
        """How images are taken: the first, and the others for videos that turn out to be unsafe for it."""
        found: list[CaptureMethod] = []
        plan: RenderPlan | None = self.template
        while plan:
            found.append(plan.probe.capture)
            plan = plan.fallback
        return tuple(found)

    @property
    def liveness(self) -> LivenessPolicy:
        """As of any page."""
        return self.template.liveness

    @property
    def suffix(self) -> str:
        """The ending of a video's segment."""
        return self.template.suffix

    def groups(self, rows: Sequence[Row]) -> tuple[Chunk, ...]:
        """Which of ``rows`` go together."""
        largest = max((len(json.dumps(row.props)) for row in rows), default=1)
        most = max(1, min(_MOST, round(self._group_s / self._video_s), _MOST_BYTES // largest))
        return split(range(len(rows)), most, multiple=self.workers) if rows else ()

    def spec(self, videos: Sequence[BatchItem], method: CaptureMethod) -> BatchSpec:
        """The message that has ``videos`` drawn."""
        video, probe = self.template.composition, self.template.probe
        return BatchSpec(
            source=video.source,
            declared=self.declared,
            page=video.page.with_props(None),
            videos=tuple(videos),
            size=(video.width, video.height),
            seconds=SPELL_S,
            encoding=self.template.encoding,
            encoder_threads=FLEET_CORES if self.fleet else max(1, cores() // self.workers),
            capture=method,
            browser=probe.browser,
            renderer=probe.renderer,
        )

    def place(self, row: Row, method: CaptureMethod) -> Place:
        """Where a row's video is kept: under all that makes it what it is, but for the page's own files."""
        return Place(self._shared[method], short_digest(json.dumps(row.props)))

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

    @property
    def _group_s(self) -> float:
        return FLEET_GROUP_S if self.fleet else GROUP_S

    @property
    def _video_s(self) -> float:
        """What a video will take, if others are like the first."""
        costs = self.template.probe.costs
        frame = max(costs.draw_ms, costs.encode_ms) / 1000 if costs else _FRAME_S
        return _LOADING_S + frame * self.template.composition.frames


async def plan_batch(orchestrator: RenderOrchestrator, request: RenderRequest, rows: Sequence[Row]) -> BatchPlan:
    """Looks at the page with the first row that it can be drawn with; where the first few can't be, none is likely to.

    Raises:
        HeliosError: it can't be drawn.
    """
    *tried, last = rows[:_LOOKS]
    for row in tried:
        with contextlib.suppress(PageError, UsageError):
            template = await orchestrator.plan(replace(request, props=row.props))
            break
    else:
        template = await orchestrator.plan(replace(request, props=last.props))
    return BatchPlan(template, request.declared, tuple(rows), request.workers, request.fleet)
