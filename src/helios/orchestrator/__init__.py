"""Plans a video, has workers render its chunks, and assembles the output."""

from helios.orchestrator.assemble import OutputSpec
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
from helios.orchestrator.orchestrator import RenderOrchestrator
from helios.orchestrator.pages import RenderPlan
from helios.orchestrator.plan import RenderRequest
from helios.orchestrator.workers import WorkerPool

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
    "OutputSpec",
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
