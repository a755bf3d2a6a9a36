"""A video planned, its chunks dispatched to workers, and what came of them put together."""

from helios.orchestrator.chunks import Chunk, split
from helios.orchestrator.commands import Command, CommandChunk, CommandPlan
from helios.orchestrator.events import (
    ChunkAttemptFailed,
    ChunkCached,
    ChunkFinished,
    ChunkProgressed,
    ChunkStarted,
    CommandsPlanned,
    PlaylistUpdated,
    RenderEvent,
    RenderFinished,
    RenderPlanned,
    RenderResult,
    StitchStarted,
    WarningIssued,
)
from helios.orchestrator.orchestrator import RenderOrchestrator, WorkerPool
from helios.orchestrator.pages import RenderPlan
from helios.orchestrator.plan import RenderRequest

__all__ = [
    "Chunk",
    "ChunkAttemptFailed",
    "ChunkCached",
    "ChunkFinished",
    "ChunkProgressed",
    "ChunkStarted",
    "Command",
    "CommandChunk",
    "CommandPlan",
    "CommandsPlanned",
    "PlaylistUpdated",
    "RenderEvent",
    "RenderFinished",
    "RenderOrchestrator",
    "RenderPlan",
    "RenderPlanned",
    "RenderRequest",
    "RenderResult",
    "StitchStarted",
    "WarningIssued",
    "WorkerPool",
    "split",
]
