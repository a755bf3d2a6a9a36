"""The adapters that callers choose, as targets of a job."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helios.adapters import (
    AdapterKind,
    LocalWorkerAdapter,
    RemoteTarget,
    Target,
    WorkerAdapter,
    find_kind,
    object_target,
    open_adapter,
    own_kinds,
)
from helios.api.options import AdapterChoice, RenderOptions
from helios.errors import MissingTool, StoreError, UsageError, WorkerError
from helios.orchestrator import RenderOrchestrator, RenderRequest
from helios.orchestrator.pages import RenderPlan
from helios.orchestrator.plan import cores
from helios.stitcher import FfmpegStitcher

_BUCKETS = ("s3://", "gs://", "az://")
_OPTIONS = ("function", "service")


async def resolve_targets(options: RenderOptions) -> tuple[tuple[Target, ...], str | None]:
    """The targets that the options name, and the URL of the store for chunks; None: the user's own folder.

    Raises:
        UsageError: there is no such adapter, or the options don't fit the adapters.
        MissingTool: a package that an adapter needs is not installed.
    """
    choices = _choices(options.get("adapter", "local"))
    kinds = {name: find_kind(name) for name in choices if isinstance(name, str)}
    _check_options(options, kinds)
    store = options.get("store")
    clouds = [kind for kind in kinds.values() if kind.scheme]
    if store and clouds and any(not url.startswith(_BUCKETS) for url in store.split(",")):
        raise UsageError(f"workers in a cloud can't reach {store}: --store s3://BUCKET/PREFIX, or gs:// with gcp")
    targets: list[Target] = []
    for choice in choices:
        if isinstance(choice, str):
            own = _store_for(kinds[choice], store, shared=len(clouds) > 1)
            targets.append(await _complete(choice, kinds[choice], options, own))
        else:
            targets.append(choice if isinstance(choice, Target) else object_target(choice))
    stores = [target.store_url for target in targets if target.store_url]
    if stores:
        return tuple(targets), stores[0]
    return tuple(targets), store and (store if "://" in store else str(Path(store).absolute()))


def _choices(adapter: AdapterChoice) -> list[str | Target | WorkerAdapter]:
    """The adapters that the option ``adapter`` names, each once."""
    if isinstance(adapter, str):
        return [*dict.fromkeys(name.strip() for name in adapter.split(","))]
    if isinstance(adapter, Target | WorkerAdapter) and not isinstance(adapter, type):
        return [adapter]
    if not isinstance(adapter, list | tuple) or not adapter:
        raise UsageError(f"{adapter!r} is no adapter: an adapter is a name, or an object with execute, store and spent")
    found: list[str | Target | WorkerAdapter] = []
    for choice in adapter:
        found += [one for one in _choices(choice) if not any(one is other or one == other for other in found)]
    return found


def _check_options(options: RenderOptions, kinds: dict[str, AdapterKind[Any]]) -> None:
    """Checks that an option of one adapter comes with that adapter."""
    for option in _OPTIONS:
        if options.get(option) and not any(option in kind.options for kind in kinds.values()):
            names = [name for name, kind in own_kinds().items() if option in kind.options]
            raise UsageError(f"a {option} is for --adapter {' or '.join(names)}")


def _store_for(kind: AdapterKind[Any], store: str | None, *, shared: bool) -> str | None:
    """The store for an adapter: where ``store`` is shared by clouds, each has the one of its own scheme."""
    if not store or not shared or not kind.scheme:
        return store
    return next((url for url in store.split(",") if url.startswith(f"{kind.scheme}://")), None)


async def _complete(name: str, kind: AdapterKind[Any], options: RenderOptions, store: str | None) -> Target:
    """The settings of an adapter, from the options that are its own."""
    if not issubclass(kind.settings, RemoteTarget):
        store = None
    given = {option: options.get(option) for option in kind.options} | {"store": store}
    own = {option: str(value) for option, value in given.items() if value}
    if kind.complete:
        return await kind.complete(own)
    try:
        return kind.settings.model_validate(own)
    except ValueError as error:
        raise UsageError(f"the adapter {name} needs settings: {error}") from None


def is_remote(targets: Sequence[Target]) -> bool:
    """Whether workers of a target don't share this machine's disk."""
    return any(target.store_url for target in targets)


def with_workers(targets: Sequence[Target], planned: int) -> tuple[Target, ...]:
    """Targets with their numbers of workers: remote ones have ``planned``, those on this machine one for each core."""
    if len(targets) == 1:
        return tuple(targets)
    return tuple(
        target.model_copy(update={"workers": target.workers or (planned if target.store_url else cores())})
        for target in targets
    )


async def plan_by(request: RenderRequest, targets: Sequence[Target]) -> RenderPlan:
    """The plan by the first target that can load the page, remote ones first. Chunks report why others can't."""
    *others, last = sorted(targets, key=lambda target: target.store_url is None)
    for target in others:
        with contextlib.suppress(WorkerError, StoreError, MissingTool):
            return await _plan_at(target, request)
    return await _plan_at(last, request)


async def _plan_at(target: Target, request: RenderRequest) -> RenderPlan:
    async with open_adapter(target) as adapter:
        return await RenderOrchestrator(adapter, FfmpegStitcher(LocalWorkerAdapter())).plan(request)
