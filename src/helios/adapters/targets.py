"""Places to run as a job names them, and the adapters for them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from helios.adapters.base import WorkerAdapter
from helios.adapters.local import LocalWorkerAdapter
from helios.extras import check_extra
from helios.storage import ArtifactStore


class _Place(BaseModel):
    """``workers`` is how many chunks are made there at once; None means as many as the plan says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: int | None = Field(default=None, ge=1)


class LocalTarget(_Place):
    """This machine."""

    kind: Literal["local"] = "local"


class LambdaTarget(_Place):
    """A function of AWS Lambda, in ``region`` or wherever AWS is set up for, and the store that it uses."""

    kind: Literal["aws"] = "aws"
    function: str
    store: str
    region: str | None = None


class CloudRunTarget(_Place):
    """A service of Google Cloud Run, what an instance of it has (memory in MiB, processors), and the store it uses."""

    kind: Literal["gcp"] = "gcp"
    service: str
    store: str
    memory_mb: int = 4096
    cpus: float = 2.0


Place = Annotated[LocalTarget | LambdaTarget | CloudRunTarget, Field(discriminator="kind")]


def check_aws() -> None:
    """Makes sure that what is needed for AWS is here.

    Raises:
        MissingTool: it is not.
    """
    check_extra("AWS", "aws", "aiobotocore")


def check_gcp() -> None:
    """Makes sure that what is needed for Google Cloud is here.

    Raises:
        MissingTool: it is not.
    """
    check_extra("Google Cloud", "gcp", "httpx", "google.auth", "google.cloud.storage")


@asynccontextmanager
async def open_adapter(place: LocalTarget | LambdaTarget | CloudRunTarget) -> AsyncGenerator[WorkerAdapter]:
    """The adapter for a place.

    Raises:
        MissingTool: what is needed for that place is not here.
        UsageError, AccessDenied: its cloud is not set up here.
    """
    match place:
        case LocalTarget():
            yield LocalWorkerAdapter()
        case LambdaTarget():
            check_aws()
            from helios.adapters.aws import AwsLambdaAdapter, open_lambda

            async with open_lambda(place.region) as client:
                yield AwsLambdaAdapter(client, place.function, ArtifactStore.at(place.store))
        case CloudRunTarget():
            check_gcp()
            from helios.adapters.cloud_run import Instance, open_cloud_run

            instance = Instance(place.memory_mb, place.cpus)
            async with open_cloud_run(place.service, ArtifactStore.at(place.store), instance) as adapter:
                yield adapter
