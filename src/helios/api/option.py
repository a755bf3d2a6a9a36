"""Options of verbs: each is declared once, with its type, meaning, unit and default, and checked by that."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from os import PathLike
from reprlib import Repr
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from helios.errors import UsageError

_STRICT = ConfigDict(strict=True, arbitrary_types_allowed=True)
_REPR = Repr()
_REPR.maxstring = _REPR.maxother = 80
_NAMES: dict[object, str] = {
    bool: "True or False",
    int: "an integer",
    float: "a number",
    str: "a string",
    Fraction: "a fraction",
    PathLike: "a path",
    Mapping: "a mapping",
    Callable: "a function",
    object: "a JSON value",
    Any: "a JSON value",
    type(None): "None",
}


@dataclass(frozen=True, slots=True)
class Option:
    """How an option is described: ``text`` is a noun phrase with its unit, ``unset`` says how None is understood."""

    text: str
    default: Any = None
    unset: str = ""

    @property
    def help(self) -> str:
        """One sentence with meaning, unit and default."""
        return f"{self.text}{self._default_text}."

    @property
    def _default_text(self) -> str:
        if self.unset:
            return f" (default: {self.unset})"
        if self.default is None or self.default is False or self.default == ():
            return ""
        return f" (default: {self.default:g})" if isinstance(self.default, float) else f" (default: {self.default})"


def _check_json(value: object) -> object:
    try:
        to_json(value)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from None
    return value


Json = Annotated[object, AfterValidator(_check_json)]
"""A value that JSON can hold."""


@cache
def declared_options(options: type) -> dict[str, tuple[Any, Option]]:
    """The annotation and the description of each option in a TypedDict."""
    hints = get_type_hints(options, include_extras=True)
    return {
        name: (hint, next(each for each in hint.__metadata__ if isinstance(each, Option)))
        for name, hint in hints.items()
    }


def check_value(name: str, value: object, hint: Any) -> Any:
    """``value``, or a list of it alone where ``hint`` asks for a list.

    Raises:
        UsageError: it has another type.
    """
    adapter = _adapter(hint)
    candidates = (value, [value]) if _takes_list(hint) else (value,)
    for candidate in candidates:
        try:
            adapter.validate_python(candidate)
        except (ValidationError, RecursionError):
            continue
        return candidate
    raise UsageError(f"{name} must be {describe_type(hint)}, not {_REPR.repr(value)}")


def describe_type(hint: Any) -> str:
    """``hint`` in words, such as "an integer or None"."""
    kinds = list(dict.fromkeys(_alternatives(hint)))
    return kinds[0] if len(kinds) == 1 else f"{', '.join(kinds[:-1])} or {kinds[-1]}"


def _alternatives(hint: Any) -> list[str]:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _alternatives(args[0])
    if origin in (Union, types.UnionType):
        return [each for arg in args for each in _alternatives(arg)]
    if origin is Literal:
        return [str(arg) for arg in args]
    if origin is Sequence:
        items = [each.removeprefix("an ").removeprefix("a ") for each in _alternatives(args[0])]
        return [f"a list of {' or '.join(f'{item}s' for item in items)}"]
    return [_NAMES.get(origin or hint) or getattr(hint, "__name__", str(hint))]


def _takes_list(hint: Any) -> bool:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _takes_list(args[0])
    return origin is Sequence or (origin in (Union, types.UnionType) and any(map(_takes_list, args)))


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint, config=_STRICT)
