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
    from helios.adapters import LocalWorkerAdapter, WorkerAdapter
    from helios.adapters.aws.adapter import AwsLambdaAdapter
    from helios.adapters.gcp.adapter import CloudRunAdapter
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
        job,
        list_jobs,
        render,
        render_events,
        render_sync,
        still,
        stitch,
        submit,
    )
    from helios.batches import BatchEvent, VideoResult
    from helios.jobs import JobStatus
    from helios.jobs.job import Job
    from helios.orchestrator import RenderEvent, RenderFinished, RenderOrchestrator, RenderResult
    from helios.orchestrator.estimate import Estimate
    from helios.stitcher import FfmpegStitcher, VideoStitcher
    from helios.storage import ArtifactStore
    from helios.worker import WorkerJob, WorkerResult

logging.getLogger(__name__).addHandler(logging.NullHandler())

__all__ = [
    "AccessDenied",
    "ArtifactMissing",
    "ArtifactStore",
    "AwsLambdaAdapter",
    "BatchEvent",
    "BatchOptions",
    "BrowserError",
    "CaptureBroken",
    "CaptureUnsafe",
    "ChunkFailed",
    "CloudRunAdapter",
    "CommandFailed",
    "CommandNotFound",
    "CompositionOptions",
    "DeployError",
    "Estimate",
    "FfmpegStitcher",
    "HeliosError",
    "Job",
    "JobFailed",
    "JobStatus",
    "JobStopped",
    "LocalWorkerAdapter",
    "MissingTool",
    "OutOfMemory",
    "OutputError",
    "PageChanged",
    "PageError",
    "RenderEvent",
    "RenderFinished",
    "RenderOptions",
    "RenderOrchestrator",
    "RenderResult",
    "Stalled",
    "StitchError",
    "StoreError",
    "Throttled",
    "UsageError",
    "VideoResult",
    "VideoStitcher",
    "WorkerAdapter",
    "WorkerError",
    "WorkerJob",
    "WorkerLost",
    "WorkerRefused",
    "WorkerResult",
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
    "job",
    "list_jobs",
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
    "RenderOrchestrator": "orchestrator",
    "WorkerAdapter": "adapters",
    "LocalWorkerAdapter": "adapters",
    "AwsLambdaAdapter": "adapters.aws.adapter",
    "CloudRunAdapter": "adapters.gcp.adapter",
    "WorkerJob": "worker",
    "WorkerResult": "worker",
    "VideoStitcher": "stitcher",
    "FfmpegStitcher": "stitcher",
    "ArtifactStore": "storage",
    "JobStatus": "jobs",
}
_CHECKS = {"AwsLambdaAdapter": ("adapters.aws", "check_aws"), "CloudRunAdapter": ("adapters.gcp", "check_gcp")}


def __getattr__(name: str) -> object:
    """Loads a verb or a class at its first use: the renderer's processes, which import this package too, use none.

    Raises:
        MissingTool: the adapter needs an extra that is not installed.
    """
    if name not in __all__:
        raise AttributeError(f"module 'helios' has no attribute {name!r}")
    if name in _CHECKS:
        module, check = _CHECKS[name]
        getattr(import_module(f"helios.{module}"), check)()
    return getattr(import_module(f"helios.{_ELSEWHERE.get(name, 'api')}"), name)
