"""A film planned, its chunks dispatched to workers, and what came of them put together."""

from helios.orchestrator.events import (
    ChunkAttemptFailed,
    ChunkFinished,
    ChunkProgress,
    ChunkStarted,
    Planned,
    Rendered,
    RenderEvent,
    Stitching,
    Warned,
)
from helios.orchestrator.orchestrator import RenderOrchestrator
from helios.orchestrator.plan import Chunk, RenderPlan, RenderRequest, split

__all__ = [
    "Chunk",
    "ChunkAttemptFailed",
    "ChunkFinished",
    "ChunkProgress",
    "ChunkStarted",
    "Planned",
    "RenderEvent",
    "RenderOrchestrator",
    "RenderPlan",
    "RenderRequest",
    "Rendered",
    "Stitching",
    "Warned",
    "split",
]
