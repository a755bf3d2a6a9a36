"""Helios renders web pages into exact video, in parallel chunks.

import helios

video = helios.render_sync("page.html", "out.mp4", duration=8)
print(video.frames, video.seconds)
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING

from helios.errors import (
    AccessDenied,
    ArtifactMissing,
    BrowserError,
    CaptureBroken,
    CaptureUnsafe,
    ChunkFailed,
    CommandFailed,
    CommandNotFound,
    DeployError,
    HeliosError,
    JobFailed,
    JobStopped,
    MissingTool,
    OutOfMemory,
    OutputError,
    PageChanged,
    PageError,
    Stalled,
    StitchError,
    StoreError,
    Throttled,
    UsageError,
    WorkerError,
    WorkerLost,
    WorkerRefused,
    WorkerTimeout,
)
from helios.release import __version__

if TYPE_CHECKING:
    from helios.api import (
        BatchOptions,
        CompositionOptions,
        RenderOptions,
        batch,
        batch_sync,
        create_job,
        deploy,
        deploy_sync,
        deployments,
        deployments_sync,
        destroy,
        destroy_sync,
        estimate,
        render,
        render_events,
        render_sync,
        still,
        stitch,
        submit,
    )
    from helios.batches import BatchEvent, VideoResult
    from helios.jobs.job import Job
    from helios.orchestrator import RenderEvent, RenderFinished, RenderResult
    from helios.orchestrator.estimate import Estimate

logging.getLogger(__name__).addHandler(logging.NullHandler())

__all__ = [
    "AccessDenied",
    "ArtifactMissing",
    "BatchEvent",
    "BatchOptions",
    "BrowserError",
    "CaptureBroken",
    "CaptureUnsafe",
    "ChunkFailed",
    "CommandFailed",
    "CommandNotFound",
    "CompositionOptions",
    "DeployError",
    "Estimate",
    "HeliosError",
    "Job",
    "JobFailed",
    "JobStopped",
    "MissingTool",
    "OutOfMemory",
    "OutputError",
    "PageChanged",
    "PageError",
    "RenderEvent",
    "RenderFinished",
    "RenderOptions",
    "RenderResult",
    "Stalled",
    "StitchError",
    "StoreError",
    "Throttled",
    "UsageError",
    "VideoResult",
    "WorkerError",
    "WorkerLost",
    "WorkerRefused",
    "WorkerTimeout",
    "__version__",
    "batch",
    "batch_sync",
    "create_job",
    "deploy",
    "deploy_sync",
    "deployments",
    "deployments_sync",
    "destroy",
    "destroy_sync",
    "estimate",
    "render",
    "render_events",
    "render_sync",
    "still",
    "stitch",
    "submit",
]

_ELSEWHERE = {
    "BatchEvent": "batches",
    "VideoResult": "batches",
    "RenderEvent": "orchestrator",
    "RenderFinished": "orchestrator",
    "RenderResult": "orchestrator",
    "Job": "jobs.job",
    "Estimate": "orchestrator.estimate",
}


def __getattr__(name: str) -> object:
    """Loads the verbs when they are first asked for: a renderer's process, which is of this package too, never does."""
    if name not in __all__:
        raise AttributeError(f"module 'helios' has no attribute {name!r}")
    return getattr(import_module(f"helios.{_ELSEWHERE.get(name, 'api')}"), name)
