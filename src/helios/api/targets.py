"""Where the work is done, as callers name it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

from helios.adapters import (
    CloudRunTarget,
    LambdaTarget,
    LocalTarget,
    LocalWorkerAdapter,
    Place,
    check_aws,
    check_gcp,
    open_adapter,
)
from helios.api.options import RenderOptions, named_targets
from helios.errors import MissingTool, StoreError, UsageError, WorkerError
from helios.orchestrator import RenderOrchestrator, RenderRequest
from helios.orchestrator.pages import RenderPlan
from helios.orchestrator.plan import cores
from helios.release import __version__
from helios.stitcher import FfmpegStitcher

_PLACES = ("local", "aws", "gcp")
_BUCKETS = ("s3://", "gs://", "az://")


async def resolve_targets(options: RenderOptions) -> tuple[tuple[Place, ...], str | None]:
    """Where chunks are drawn, and the URL where they are kept."""
    named, store = named_targets(options), options.get("store")
    if unknown := [name for name in named if name not in _PLACES]:
        raise UsageError(f"adapter is {', '.join(_PLACES)}, or several of them with commas between, not {unknown[0]!r}")
    for name, option in (("aws", "function"), ("gcp", "service")):
        if options.get(option) and name not in named:
            raise UsageError(f"a {option} is for --adapter {name}")
    if store and {"aws", "gcp"} & set(named) and any(not url.startswith(_BUCKETS) for url in store.split(",")):
        raise UsageError(f"workers in a cloud can't reach {store}: --store s3://BUCKET/PREFIX, or gs:// with gcp")
    targets: list[Place] = []
    for name in dict.fromkeys(named):
        match name:
            case "aws":
                targets.append(await _lambda(options.get("function"), _of(store, "s3", named)))
            case "gcp":
                targets.append(await _cloud_run(options.get("service"), _of(store, "gs", named)))
            case _:
                targets.append(LocalTarget())
    clouds = resolve_clouds(targets)
    if not clouds:
        return tuple(targets), store and (store if "://" in store else str(Path(store).absolute()))
    return tuple(targets), clouds[0].store


def _of(store: str | None, scheme: str, named: Sequence[str]) -> str | None:
    """The store for a cloud: where there are two, each has the one of its kind."""
    if not store or not {"aws", "gcp"} <= set(named):
        return store
    return next((url for url in store.split(",") if url.startswith(f"{scheme}://")), None)


async def _lambda(function: str | None, store: str | None) -> LambdaTarget:
    if function and store:
        return LambdaTarget(function=function, store=store)
    check_aws()
    from helios.clouds.aws import find_deployment, new_session

    found = await find_deployment(new_session(), __version__)
    return LambdaTarget(function=function or found.function, region=found.region, store=store or found.store)


async def _cloud_run(service: str | None, store: str | None) -> CloudRunTarget:
    if service and store:
        return CloudRunTarget(service=service, store=store)
    check_gcp()
    from helios.clouds.gcp import find_deployment, open_project

    found = await asyncio.to_thread(lambda: find_deployment(open_project(), __version__))
    return CloudRunTarget(
        service=service or found.service, store=store or found.store, memory_mb=found.memory_mb, cpus=found.cpus
    )


def resolve_clouds(targets: Sequence[Place]) -> list[LambdaTarget | CloudRunTarget]:
    """Those that are not this machine."""
    return [place for place in targets if not isinstance(place, LocalTarget)]


def with_workers(targets: Sequence[Place], planned: int) -> tuple[Place, ...]:
    """Places with their shares: each cloud has as many workers as were planned, this machine what its cores can do."""
    if len(targets) == 1:
        return tuple(targets)
    return tuple(
        place.model_copy(update={"workers": cores() if isinstance(place, LocalTarget) else planned})
        for place in targets
    )


async def plan_by(request: RenderRequest, targets: Sequence[Place]) -> RenderPlan:
    """The plan by the first place that can look at the page, clouds before this machine. Why one can't is told when
    chunks are given to it.
    """
    clouds = resolve_clouds(targets)
    *others, last = *clouds, *(place for place in targets if place not in clouds)
    for place in others:
        with contextlib.suppress(WorkerError, StoreError, MissingTool):
            return await _plan_at(place, request)
    return await _plan_at(last, request)


async def _plan_at(place: Place, request: RenderRequest) -> RenderPlan:
    async with open_adapter(place) as adapter:
        return await RenderOrchestrator(adapter, FfmpegStitcher(LocalWorkerAdapter())).plan(request)
