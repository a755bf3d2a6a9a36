"""A video planned, its chunks dispatched to workers, and what came of them put together."""

from helios.orchestrator.chunks import Chunk, split
from helios.orchestrator.commands import Command, CommandChunk, CommandPlan
from helios.orchestrator.events import (
    ChunkAttemptFailed,
    ChunkFinished,
    ChunkProgress,
    ChunkReused,
    ChunkStarted,
    CommandsPlanned,
    Planned,
    Playable,
    Rendered,
    RenderEvent,
    Stitching,
    Warned,
)
from helios.orchestrator.orchestrator import RenderOrchestrator, WorkerPool
from helios.orchestrator.pages import RenderPlan
from helios.orchestrator.plan import RenderRequest

__all__ = [
    "Chunk",
    "ChunkAttemptFailed",
    "ChunkFinished",
    "ChunkProgress",
    "ChunkReused",
    "ChunkStarted",
    "Command",
    "CommandChunk",
    "CommandPlan",
    "CommandsPlanned",
    "Planned",
    "Playable",
    "RenderEvent",
    "RenderOrchestrator",
    "RenderPlan",
    "RenderRequest",
    "Rendered",
    "Stitching",
    "Warned",
    "WorkerPool",
    "split",
]
