"""AWS Lambda as an adapter kind."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Literal

from helios.adapters.base import AdapterKind, RemoteTarget, WorkerAdapter
from helios.extras import check_extra
from helios.release import __version__
from helios.storage import ArtifactStore


class LambdaTarget(RemoteTarget, frozen=True):
    """A function of AWS Lambda, in ``region`` or in the region that AWS is set up for, and the store that it uses."""

    kind: Literal["aws"] = "aws"
    function: str
    region: str | None = None


def check_aws() -> None:
    """Checks that the packages for AWS are installed.

    Raises:
        MissingTool: one is not.
    """
    check_extra("AWS", "aws", "aiobotocore")


async def _complete(options: Mapping[str, str]) -> LambdaTarget:
    function, store = options.get("function"), options.get("store")
    if function and store:
        return LambdaTarget(function=function, store=store)
    check_aws()
    from helios.clouds.aws import find_deployment, new_session

    found = await find_deployment(new_session(), __version__)
    return LambdaTarget(function=function or found.function, region=found.region, store=store or found.store)


@asynccontextmanager
async def _open(target: LambdaTarget) -> AsyncGenerator[WorkerAdapter]:
    from helios.adapters.aws.adapter import AwsLambdaAdapter, open_lambda

    async with open_lambda(target.region) as client:
        yield AwsLambdaAdapter(client, target.function, ArtifactStore.at(target.store))


AWS = AdapterKind(LambdaTarget, _open, lambda target: check_aws(), _complete, ("function",), "s3")
