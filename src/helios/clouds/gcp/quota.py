"""How many instances a project's quota holds: Cloud Run refuses a service that may have more."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from helios.clouds.events import Said, Show
from helios.clouds.gcp.project import Project, told
from helios.clouds.gcp.settings import MOST_INSTANCES, Settings
from helios.errors import HeliosError, UsageError

QUOTAS = {"cpus": ("CpuAllocPerProjectRegion", 1000), "memory": ("MemAllocPerProjectRegion", 2**20)}
"""The quota of each, and how much of it one processor (milli vCPU) or one MiB (bytes) takes.

Source: https://cloud.google.com/run/docs/configuring/max-instances-limits
"""
_REFUSAL = re.compile(r"[Mm]ax instances must be set to (\d+) or fewer")
_MORE = "or ask for more: https://cloud.google.com/run/quotas"


def most_instances(project: Project, region: str, numbers: Mapping[str, int]) -> int | None:
    """How many instances with these processors and this memory the quota of a region holds; None if it has no end.

    Raises:
        HeliosError: the quota can't be read.
    """
    with told():
        limits = {name: _limit(project.quota(quota), region) for name, (quota, _) in QUOTAS.items()}
    held = [limit // (numbers[name] * QUOTAS[name][1]) for name, limit in limits.items() if limit is not None]
    return min(held, default=None)


def fit(
    project: Project, settings: Settings, region: str, numbers: dict[str, int], before: Mapping[str, int], show: Show
) -> dict[str, int]:
    """The numbers, with as many instances as the quota holds where ``settings`` name none.

    Raises:
        UsageError: the quota does not hold what was asked for.
    """
    try:
        most = most_instances(project, region, numbers)
    except HeliosError as error:
        instances = numbers["max_instances"]
        show(Said(message=f"the quota of {region} can't be read ({error}): going on with {instances} instances"))
        return numbers
    size = f"{numbers['cpus']} processors and {numbers['memory']} MiB"
    if most is None:
        return numbers | {"max_instances": settings.max_instances or before.get("max_instances", MOST_INSTANCES)}
    show(Said(message=f"the quota of {region} holds {most} instances of {size}"))
    if not most:
        raise UsageError(f"the quota of {region} holds no instance of {size}: use less --cpus and --memory, {_MORE}")
    if (asked := settings.max_instances) is not None:
        if asked > most:
            raise UsageError(
                f"--max-instances {asked} is more than the quota of {region} holds: {most} of {size}; "
                f"use --max-instances {most}, less --cpus or --memory, {_MORE}"
            )
        return numbers
    wanted = before.get("max_instances", min(most, MOST_INSTANCES))
    if wanted > most:
        show(Said(message=f"the service may have {most} instances from now on, and not {wanted}: the quota is less"))
    return numbers | {"max_instances": min(wanted, most)}


def lowered(request: Callable[[], Any], service: dict[str, Any], settings: Settings, show: Show) -> Any:
    """What a request for a service gives. Where the quota does not hold its instances, it gets as many as that does.

    Raises:
        UsageError: ``settings`` name more.
    """
    from google.api_core.exceptions import GoogleAPICallError

    try:
        return request()
    except GoogleAPICallError as error:
        found = _REFUSAL.search(str(error))
        if not found:
            raise
        most = int(found[1])
        if not most:
            raise UsageError(f"the quota holds no such instance: use less --cpus and --memory, {_MORE}") from error
        if settings.max_instances is not None:
            raise UsageError(
                f"--max-instances {settings.max_instances} is more than the quota holds: use {most}, {_MORE}"
            ) from error
    show(Said(message=f"the service may have {most} instances: the quota holds no more"))
    service["template"]["scaling"]["max_instance_count"] = most
    return request()


def _limit(quota: Mapping[str, Any], region: str) -> int | None:
    """What a quota allows in a region; None if it has no end.

    Source: https://cloud.google.com/docs/quotas/reference/rest/v1/projects.locations.services.quotaInfos
    """
    infos: list[Mapping[str, Any]] = quota.get("dimensionsInfos", [])
    own = [info for info in infos if info.get("dimensions", {}).get("region") == region]
    of_all = [
        info for info in infos if not info.get("dimensions") and region in info.get("applicableLocations", [region])
    ]
    for info in (*own, *of_all):
        limit = int(info.get("details", {}).get("value", -1))
        return None if limit < 0 else limit
    return None
