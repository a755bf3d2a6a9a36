"""Places to run as a job names them, and the adapters for them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Literal

from pydantic import BaseModel, ConfigDict

from helios.adapters.base import WorkerAdapter
from helios.adapters.local import LocalWorkerAdapter
from helios.errors import MissingTool
from helios.storage import ArtifactStore


class LambdaPlace(BaseModel):
    """A function of AWS Lambda, in ``region`` or wherever AWS is set up for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["aws"] = "aws"
    function: str
    region: str | None = None


def check_aws() -> None:
    """Makes sure that what is needed for AWS is here.

    Raises:
        MissingTool: it is not.
    """
    if not find_spec("aiobotocore"):
        raise MissingTool('AWS needs the extra "aws": pip install "helios-render[aws]"')


@asynccontextmanager
async def open_adapter(place: LambdaPlace | None, store: ArtifactStore) -> AsyncGenerator[WorkerAdapter]:
    """The adapter for ``place``, or for this machine; other places exchange files through ``store``.

    Raises:
        MissingTool: what is needed for that place is not here.
    """
    if place is None:
        yield LocalWorkerAdapter()
        return
    check_aws()
    from helios.adapters.aws import AwsLambdaAdapter, open_lambda

    async with open_lambda(place.region) as client:
        yield AwsLambdaAdapter(client, place.function, store)
