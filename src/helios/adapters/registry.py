"""The kinds of adapters: those of Helios, and those of installed packages (entry-point group ``helios.adapters``)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any, Union, cast

from pydantic import Field, PlainValidator, SerializeAsAny, ValidationError

from helios.adapters.base import AdapterKind, Target, WorkerAdapter
from helios.errors import UsageError

GROUP = "helios.adapters"
OBJECT = "object"
"""The kind of adapter objects: callers pass the object, and no name."""

_OWN = {
    name: EntryPoint(name, value, GROUP)
    for name, value in {
        "local": "helios.adapters.local:LOCAL",
        "aws": "helios.adapters.aws:AWS",
        "gcp": "helios.adapters.gcp:GCP",
        OBJECT: "helios.adapters.objects:OBJECT",
    }.items()
}


def adapter_names() -> list[str]:
    """The names that callers may choose from, Helios' own first. It loads no adapter."""
    own = [name for name in _OWN if name != OBJECT]
    return [*own, *sorted({point.name for point in entry_points(group=GROUP)} - {*_OWN})]


def own_kinds() -> dict[str, AdapterKind[Any]]:
    """Helios' own kinds by name, but for adapter objects."""
    return {name: _load(point) for name, point in _OWN.items() if name != OBJECT}


def find_kind(name: str) -> AdapterKind[Any]:
    """Loads the adapter kind ``name``. Helios' own names win over those of packages.

    Raises:
        UsageError: no package has it, two packages have it, or the package that has it is broken.
    """
    if name in _OWN:
        return _load(_OWN[name])
    points = list(entry_points(group=GROUP, name=name))
    if not points:
        raise UsageError(
            f"adapter is {', '.join(adapter_names())}, or several of them with commas between, not {name!r}"
        )
    if len(points) > 1:
        packages = " and ".join(sorted(map(_package, points)))
        raise UsageError(f"{packages} both have an adapter {name!r}: uninstall one of them")
    return _load(points[0])


def parse_target(value: object) -> Target:
    """The target that ``value`` is, or describes: a mapping with ``kind`` and that kind's settings.

    Raises:
        ValueError: it has no kind, or not that kind's settings.
    """
    if isinstance(value, Target):
        return value
    if not isinstance(value, Mapping) or not isinstance(kind := value.get("kind"), str):  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        raise ValueError("a target is an object with the name of an adapter as its kind")  # noqa: TRY004
    try:
        return find_kind(kind).settings.model_validate(value)
    except UsageError as error:
        raise ValueError(str(error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where + ': ' if where else ''}{first['msg']}") from None


def check_target(target: Target) -> None:
    """Checks that the adapter for a target can be used in this process.

    Raises:
        MissingTool: a package that the adapter needs is not installed.
        UsageError: the target is an adapter object of another process.
    """
    find_kind(target.kind).check(target)


@asynccontextmanager
async def open_adapter(target: Target) -> AsyncGenerator[WorkerAdapter]:
    """Opens the adapter for a target, for the length of the block.

    Raises:
        MissingTool: a package that the adapter needs is not installed.
        UsageError, AccessDenied: the adapter's cloud is not set up on this machine, or see ``check_target``.
    """
    check_target(target)
    async with find_kind(target.kind).open(target) as adapter:
        yield adapter


def _load(point: EntryPoint) -> AdapterKind[Any]:
    try:
        kind: object = point.load()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(f"the adapter {point.name!r} of {_package(point)} can't be loaded: {reason}") from error
    if not isinstance(kind, AdapterKind):
        raise UsageError(f"the adapter {point.name!r} of {_package(point)} is no AdapterKind: {point.value}")
    found = cast("AdapterKind[Any]", kind)
    if found.settings.model_fields["kind"].default != point.name:
        raise UsageError(
            f"the adapter {point.name!r} of {_package(point)} has settings of another kind: "
            f'{found.settings.__name__} needs kind: Literal["{point.name}"] = "{point.name}"'
        )
    return found


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "Helios"


_SCHEMA: Any = Annotated[
    Union[tuple(kind.settings for kind in own_kinds().values())],  # noqa: UP007
    Field(discriminator="kind"),
]
AnyTarget = Annotated[SerializeAsAny[Target], PlainValidator(parse_target, json_schema_input_type=_SCHEMA)]
"""A field of a pydantic model that holds the settings of any adapter, also of one of a package."""
