"""Adapter objects of the caller: they exist in this process alone."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Literal

from helios.adapters.base import AdapterKind, Target, WorkerAdapter
from helios.errors import UsageError

_ELSEWHERE = (
    "another process can't run a job whose adapter is an object: render it in the process that has the object, or "
    "register the adapter and pass its name (docs/adapters.md)"
)
_objects: dict[str, WorkerAdapter] = {}


class ObjectTarget(Target, frozen=True):
    """The adapter object that this process knows by the name ``id``; ``url`` is that of its store."""

    kind: Literal["object"] = "object"
    id: str
    url: str | None = None

    @property
    def store_url(self) -> str | None:
        return self.url


def object_target(adapter: WorkerAdapter) -> ObjectTarget:
    """The target for an adapter object. The object stays in memory until this process exits."""
    known = next((name for name, one in _objects.items() if one is adapter), None)
    name = known or secrets.token_hex(8)
    _objects[name] = adapter
    return ObjectTarget(id=name, url=adapter.store.url if adapter.store else None)


def check_portable(targets: Sequence[Target]) -> None:
    """Checks that another process can run a job with these targets.

    Raises:
        UsageError: one is an adapter object.
    """
    if any(isinstance(target, ObjectTarget) for target in targets):
        raise UsageError(_ELSEWHERE)


def _check(target: ObjectTarget) -> None:
    if target.id not in _objects:
        raise UsageError(_ELSEWHERE)


@asynccontextmanager
async def _open(target: ObjectTarget) -> AsyncGenerator[WorkerAdapter]:
    yield _objects[target.id]


OBJECT = AdapterKind(ObjectTarget, _open, _check)
