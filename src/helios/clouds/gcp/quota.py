"""How many instances a project's quota allows: Cloud Run refuses a service with a higher maximum."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from helios.clouds.events import MessageIssued, Show
from helios.clouds.gcp.errors import google_errors
from helios.clouds.gcp.project import Project
from helios.clouds.gcp.settings import DEFAULT_MAX_INSTANCES, Settings
from helios.errors import HeliosError, UsageError

QUOTAS = {"cpus": ("CpuAllocPerProjectRegion", 1000), "memory": ("MemAllocPerProjectRegion", 2**20)}
"""The quota for each, and its units in one vCPU (milli vCPU) or one MiB (bytes).

Source: https://cloud.google.com/run/docs/configuring/max-instances-limits
"""
_REFUSAL = re.compile(r"[Mm]ax instances must be set to (\d+) or fewer")
_MORE = "or request more: https://cloud.google.com/run/quotas"


def max_instances(project: Project, region: str, numbers: Mapping[str, int]) -> int | None:
    """Returns how many instances of this size the quota of a region allows; None if it is unlimited.

    Raises:
        HeliosError: the quota can't be read.
    """
    with google_errors():
        limits = {name: _limit(project.quota(quota), region) for name, (quota, _) in QUOTAS.items()}
    held = [limit // (numbers[name] * QUOTAS[name][1]) for name, limit in limits.items() if limit is not None]
    return min(held, default=None)


def fit_to_quota(
    project: Project, settings: Settings, region: str, numbers: dict[str, int], before: Mapping[str, int], show: Show
) -> dict[str, int]:
    """Returns the numbers with the maximum instances lowered to the quota, unless ``settings`` request a number.

    Raises:
        UsageError: the quota is too small for the request.
    """
    try:
        limit = max_instances(project, region, numbers)
    except HeliosError as error:
        instances = numbers["max_instances"]
        show(
            MessageIssued(
                message=f"the quota of {region} can't be read ({error}): continuing with {instances} instances"
            )
        )
        return numbers
    size = f"{numbers['cpus']} vCPU and {numbers['memory']} MiB"
    if limit is None:
        return numbers | {"max_instances": settings.max_instances or before.get("max_instances", DEFAULT_MAX_INSTANCES)}
    show(MessageIssued(message=f"the quota of {region} allows {limit} instances with {size}"))
    if not limit:
        raise UsageError(f"the quota of {region} allows no instance with {size}: use less --cpus and --memory, {_MORE}")
    if (requested := settings.max_instances) is not None:
        if requested > limit:
            raise UsageError(
                f"--max-instances {requested} exceeds the quota of {region}, {limit} with {size}: "
                f"use --max-instances {limit}, less --cpus or --memory, {_MORE}"
            )
        return numbers
    current = before.get("max_instances", min(limit, DEFAULT_MAX_INSTANCES))
    if current > limit:
        show(MessageIssued(message=f"the maximum instances drop from {current} to {limit}: the quota allows no more"))
    return numbers | {"max_instances": min(current, limit)}


def lower_to_quota(request: Callable[[], Any], service: dict[str, Any], settings: Settings, show: Show) -> Any:
    """Sends a request for a service; if Cloud Run refuses the maximum instances, sends it again with its limit.

    Raises:
        UsageError: ``settings`` request more.
    """
    from google.api_core.exceptions import GoogleAPICallError

    try:
        return request()
    except GoogleAPICallError as error:
        found = _REFUSAL.search(str(error))
        if not found:
            raise
        limit = int(found[1])
        if not limit:
            raise UsageError(
                f"the quota allows no instance of this size: use less --cpus and --memory, {_MORE}"
            ) from error
        if settings.max_instances is not None:
            raise UsageError(
                f"--max-instances {settings.max_instances} exceeds the quota: use {limit}, {_MORE}"
            ) from error
    show(MessageIssued(message=f"the maximum instances are {limit}: the quota allows no more"))
    service["template"]["scaling"]["max_instance_count"] = limit
    return request()


def _limit(quota: Mapping[str, Any], region: str) -> int | None:
    """Returns a quota's limit in a region; None if it is unlimited.

    Source: https://cloud.google.com/docs/quotas/reference/rest/v1/projects.locations.services.quotaInfos
    """
    infos: list[Mapping[str, Any]] = quota.get("dimensionsInfos", [])
    own = [info for info in infos if info.get("dimensions", {}).get("region") == region]
    general = [
        info for info in infos if not info.get("dimensions") and region in info.get("applicableLocations", [region])
    ]
    for info in (*own, *general):
        limit = int(info.get("details", {}).get("value", -1))
        return None if limit < 0 else limit
    return None
