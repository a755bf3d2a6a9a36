"""The deployments of an account and region, and the one that a version of Helios uses."""

from __future__ import annotations

from dataclasses import dataclass

from aiobotocore.session import AioSession

from helios.clouds.aws.session import client
from helios.clouds.aws.stack import VERSION_TAG, Found, open_stack, stack_state
from helios.clouds.events import DeployEvent
from helios.clouds.names import default_name
from helios.errors import UsageError

STORE = "store"
"""The folder of the bucket that the function may touch."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Helios as it is deployed. ``function`` is empty until its image is there.

    ``store`` is the artifact store's URL, ``memory_mb`` and ``disk_mb`` are what the function has, ``timeout`` is in
    seconds, ``state`` is CloudFormation's word for the stack.
    """

    name: str
    version: str
    function: str
    bucket: str
    store: str
    region: str
    account: str
    partition: str
    memory_mb: int
    timeout: int
    disk_mb: int
    architecture: str
    image: str
    state: str


def read_deployment(stack: Found) -> Deployment:
    """What a stack of Helios' deploys."""
    _, partition, _, region, account, _ = stack.id.split(":", 5)
    bucket = stack.resources.get("Bucket", "")
    return Deployment(
        name=stack.name,
        version=stack.version,
        function=stack.resources.get("Function", ""),
        bucket=bucket,
        store=f"s3://{bucket}/{STORE}" if bucket else "",
        region=region,
        account=account,
        partition=partition,
        memory_mb=int(stack.parameters.get("MemorySize", 0)),
        timeout=int(stack.parameters.get("Timeout", 0)),
        disk_mb=int(stack.parameters.get("EphemeralStorage", 0)),
        architecture=stack.parameters.get("Architecture", ""),
        image=stack.parameters.get("ImageUri", ""),
        state=stack.status,
    )


async def deployments(session: AioSession) -> list[Deployment]:
    """All that Helios has deployed to the session's account and region, by name.

    Raises:
        UsageError: credentials, region or rights are missing.
    """
    found: list[Deployment] = []
    async with client(session, "cloudformation") as cloudformation:
        async for page in cloudformation.get_paginator("describe_stacks").paginate():
            for stack in page["Stacks"]:
                if any(tag["Key"] == VERSION_TAG for tag in stack.get("Tags", [])):
                    found.append(read_deployment(await stack_state(cloudformation, stack)))
    return sorted(found, key=lambda deployment: deployment.name)


async def find_deployment(session: AioSession, version: str, name: str | None = None) -> Deployment:
    """The deployment of a version of Helios that can be worked with: of that name, else of the version's own.

    Raises:
        UsageError: there is none, it is of another version, or it has no function yet; or credentials, region or
            rights are missing.
    """
    name = name or default_name(version)
    async with open_stack(session, name, _unseen) as stack:
        found = await stack.look()
    again = "helios deploy aws" if name == default_name(version) else f"helios deploy aws --name {name}"
    if found is None or not found.version:
        region = session.get_config_variable("region") or "this region"
        raise UsageError(f"Helios {version} is not deployed to {region} as {name}: run {again}")
    if found.version != version:
        raise UsageError(f"{name} is Helios {found.version}, and this is {version}: run helios deploy aws")
    deployed = read_deployment(found)
    if not deployed.function:
        raise UsageError(f"the deployment {name} has no function yet ({found.status}): run {again}")
    return deployed


def _unseen(event: DeployEvent) -> None:
    """Nothing happens to a stack that is only looked at."""
