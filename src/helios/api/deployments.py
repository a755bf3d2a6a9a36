"""Deployments in a cloud."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from helios import release
from helios.clouds import Cloud, Confirm, Deployment, Show, open_cloud
from helios.clouds.names import default_name
from helios.errors import UsageError


async def deploy(
    cloud: str = "aws",
    *,
    on_event: Show = lambda event: None,
    confirm: Confirm = lambda line: False,
    dry_run: bool = False,
    **settings: Any,
) -> Deployment | None:
    """Creates a deployment in "aws" or "gcp", or updates it in place, and returns it; None for a dry run.

    ``settings`` are the options of ``helios deploy``: ``name`` (default helios-VERSION), ``memory`` (AWS: MB, Google:
    MiB), ``timeout`` (seconds) and so on. One that is not given keeps its current value. ``confirm`` is called with a
    line that names the data which a change would destroy, and returns whether to continue. See docs/aws.md and
    docs/gcp.md.

    Raises:
        UsageError: a setting is wrong, credentials or permissions are missing, or ``confirm`` refused.
        DeployError: a resource or the image could not be created; the same call continues from there.
    """
    target = open_cloud(cloud)
    return await target.deploy(make_settings(target, settings), confirm=confirm, show=on_event, dry_run=dry_run)


async def deployments(cloud: str = "aws") -> Sequence[Deployment]:
    """Lists the deployments in the current account and region ("aws") or project ("gcp"), by name.

    Raises:
        UsageError: credentials or permissions are missing.
        DeployError: the cloud is unreachable.
    """
    return await open_cloud(cloud).deployments()


async def destroy(
    cloud: str = "aws", name: str | None = None, *, confirm: Confirm, on_event: Show = lambda event: None
) -> None:
    """Removes a deployment with all its data. ``name`` None means the deployment of this version of Helios.

    ``confirm`` is called with a line that describes the data, and returns whether to remove it.

    Raises:
        UsageError: there is no such deployment, or ``confirm`` refused.
        DeployError: a resource can't be removed.
    """
    await open_cloud(cloud).destroy(name, confirm=confirm, show=on_event)


def deploy_sync(
    cloud: str = "aws",
    *,
    on_event: Show = lambda event: None,
    confirm: Confirm = lambda line: False,
    dry_run: bool = False,
    **settings: Any,
) -> Deployment | None:
    """``deploy`` for callers without an event loop."""
    return asyncio.run(deploy(cloud, on_event=on_event, confirm=confirm, dry_run=dry_run, **settings))


def deployments_sync(cloud: str = "aws") -> Sequence[Deployment]:
    """``deployments`` for callers without an event loop."""
    return asyncio.run(deployments(cloud))


def destroy_sync(
    cloud: str = "aws", name: str | None = None, *, confirm: Confirm, on_event: Show = lambda event: None
) -> None:
    """``destroy`` for callers without an event loop."""
    asyncio.run(destroy(cloud, name, confirm=confirm, on_event=on_event))


def make_settings(cloud: Cloud[Any], given: Mapping[str, Any]) -> Any:
    """Returns the cloud's settings from keyword arguments. None means not given.

    Raises:
        UsageError: the cloud has no such setting, or a value is wrong.
    """
    names = [field.name for field in fields(cloud.settings)]
    if unknown := [name for name in given if name not in names]:
        raise UsageError(f"there is no setting {unknown[0]!r} for this cloud: choose from {', '.join(names)}")
    settings = {name: value for name, value in given.items() if value is not None}
    if "allow_commands" in settings:
        settings["allow_commands"] = tuple(settings["allow_commands"])
    return cloud.settings(**{"name": default_name(release.__version__), **settings})
