"""The deployments of an account and region, and the one for a version of Helios."""

from __future__ import annotations

from dataclasses import dataclass

from aiobotocore.session import AioSession

from helios.clouds.aws.session import client
from helios.clouds.aws.stack import VERSION_TAG, StackState, open_stack, read_stack
from helios.clouds.events import DeployEvent
from helios.clouds.names import default_name
from helios.errors import UsageError

STORE = "store"
"""The only folder of the bucket that the function can access."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Helios in an AWS account. ``function`` is empty until its image is built.

    ``store`` is the artifact store's URL, ``memory_mb``, ``disk_mb`` and ``timeout`` (seconds) are the function's,
    ``state`` is CloudFormation's status of the stack.
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

    @property
    def worker(self) -> str:
        """The function's name."""
        return self.function

    @property
    def size(self) -> str:
        """What one invocation has."""
        return f"{self.architecture}, {self.memory_mb} MB, {self.timeout} s"


def read_deployment(stack: StackState) -> Deployment:
    """Returns the deployment that a stack of Helios is."""
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
    """Returns the deployments in the session's account and region, by name.

    Raises:
        UsageError: credentials, region or permissions are missing.
    """
    found: list[Deployment] = []
    async with client(session, "cloudformation") as cloudformation:
        async for page in cloudformation.get_paginator("describe_stacks").paginate():
            for stack in page["Stacks"]:
                if any(tag["Key"] == VERSION_TAG for tag in stack.get("Tags", [])):
                    found.append(read_deployment(await read_stack(cloudformation, stack)))
    return sorted(found, key=lambda deployment: deployment.name)


async def find_deployment(session: AioSession, version: str, name: str | None = None) -> Deployment:
    """Returns the deployment for a version of Helios that can run jobs: the one of that name, else the version's own.

    Raises:
        UsageError: there is none, it has another version, or it has no function yet; or credentials, region or
            permissions are missing.
    """
    name = name or default_name(version)
    async with open_stack(session, name, _ignore) as stack:
        found = await stack.read()
    command = "helios deploy aws" if name == default_name(version) else f"helios deploy aws --name {name}"
    if found is None or not found.version:
        region = session.get_config_variable("region") or "this region"
        raise UsageError(f"Helios {version} is not deployed to {region} as {name}: run {command}")
    if found.version != version:
        raise UsageError(f"{name} is Helios {found.version}, this is {version}: run {command}")
    deployed = read_deployment(found)
    if not deployed.function:
        raise UsageError(f"the deployment {name} has no function yet ({found.status}): run {command}")
    return deployed


def _ignore(event: DeployEvent) -> None:
    """Reading a stack causes no events."""
