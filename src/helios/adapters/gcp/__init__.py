"""Google Cloud Run as an adapter kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Literal

from helios.adapters.base import AdapterKind, RemoteTarget, WorkerAdapter
from helios.extras import check_extra
from helios.release import __version__
from helios.storage import ArtifactStore


class CloudRunTarget(RemoteTarget, frozen=True):
    """A service of Google Cloud Run (its URL), the store it uses, and the size of an instance: MiB, processors."""

    kind: Literal["gcp"] = "gcp"
    service: str
    memory_mb: int = 4096
    cpus: float = 2.0


def check_gcp() -> None:
    """Checks that the packages for Google Cloud are installed.

    Raises:
        MissingTool: one is not.
    """
    check_extra("Google Cloud", "gcp", "httpx", "google.auth", "google.cloud.storage")


async def _complete(options: Mapping[str, str]) -> CloudRunTarget:
    service, store = options.get("service"), options.get("store")
    if service and store:
        return CloudRunTarget(service=service, store=store)
    check_gcp()
    from helios.clouds.gcp import find_deployment, open_project

    found = await asyncio.to_thread(lambda: find_deployment(open_project(), __version__))
    return CloudRunTarget(
        service=service or found.service, store=store or found.store, memory_mb=found.memory_mb, cpus=found.cpus
    )


@asynccontextmanager
async def _open(target: CloudRunTarget) -> AsyncGenerator[WorkerAdapter]:
    from helios.adapters.gcp.adapter import Instance, open_cloud_run

    instance = Instance(target.memory_mb, target.cpus)
    async with open_cloud_run(target.service, ArtifactStore.at(target.store), instance) as adapter:
        yield adapter


GCP = AdapterKind(CloudRunTarget, _open, lambda target: check_gcp(), _complete, ("service",), "gs")
