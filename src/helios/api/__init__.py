"""The verbs of ``import helios``. The command line calls these and adds nothing to them."""

from helios.api.batches import batch, batch_sync
from helios.api.deployments import deploy, deploy_sync, deployments, deployments_sync, destroy, destroy_sync
from helios.api.jobs import job, list_jobs
from helios.api.options import BatchOptions, CompositionOptions, RenderOptions
from helios.api.videos import create_job, estimate, render, render_events, render_sync, still, stitch, submit

__all__ = [
    "BatchOptions",
    "CompositionOptions",
    "RenderOptions",
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
