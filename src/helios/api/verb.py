"""Decorators of the verbs: they document the options, check the arguments, and keep the caller's event loop free."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Sequence
from difflib import get_close_matches
from functools import wraps
from inspect import Parameter, Signature
from typing import Any, ParamSpec, TypeVar, cast, get_args, get_type_hints

from helios.adapters import WorkerAdapter
from helios.api.option import Option, check_value, declared_options
from helios.api.options import check_text
from helios.errors import UsageError
from helios.threads import in_own_loop

P = ParamSpec("P")
T = TypeVar("T")


def verb(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """``function``, documented, with checked arguments, and run in a thread with its own event loop (except where the
    caller passes adapter objects).

    ``on_event`` is called in the caller's event loop. If it raises, the work stops and the verb raises that error.
    """
    signature = inspect.signature(documented(function))
    hints = get_type_hints(function, include_extras=True)
    hints |= {name: hint for name, (hint, _) in _options(function).items()}
    unchecked = cast("Callable[..., Coroutine[Any, Any, T]]", function)

    @wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        async def work(**replaced: object) -> T:
            return await unchecked(**_check_arguments(signature, hints, args, kwargs) | replaced)

        if _has_adapter_object(kwargs.get("adapter")):
            return await work()  # its connections may belong to this loop
        on_event = cast("Callable[[object], None] | None", kwargs.get("on_event"))
        return await (in_own_loop(work) if on_event is None else _with_events(work, on_event))

    return call


def documented(function: Callable[P, T]) -> Callable[P, T]:
    """``function``, whose signature and docstring show every option of its ``**options: Unpack[…]``."""
    options = _options(function)
    if not options:
        return function
    signature = inspect.signature(function)
    *own, _ = signature.parameters.values()
    more = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=option.default, annotation=get_args(hint)[0])
        for name, (hint, option) in options.items()
    ]
    function.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
    text = inspect.cleandoc(function.__doc__ or "")
    described = "\n".join(f"    {name}: {option.help}" for name, (_, option) in options.items())
    before, raises, after = text.partition("\nRaises:")
    function.__doc__ = f"{before.rstrip()}\n\nArgs:\n{described}\n{raises}{after}"
    return function


async def _with_events(work: Callable[..., Coroutine[Any, Any, T]], on_event: Callable[[object], None]) -> T:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    errors: list[BaseException] = []

    def deliver(event: object) -> None:
        try:
            if not errors:
                on_event(event)
        except BaseException as error:  # noqa: BLE001 - the verb raises it
            errors.append(error)
            task.cancel()

    def forward(event: object) -> None:
        loop.call_soon_threadsafe(deliver, event)

    try:
        return await in_own_loop(lambda: work(on_event=forward))
    except asyncio.CancelledError:
        if not errors:
            raise
        task.uncancel()
        raise errors[0] from None


def _has_adapter_object(adapter: object) -> bool:
    choices = cast("Sequence[object]", adapter) if isinstance(adapter, list | tuple) else [adapter]
    return any(isinstance(choice, WorkerAdapter) for choice in choices)


def _check_arguments(
    signature: Signature, hints: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """The given arguments by name.

    Raises:
        UsageError: an unknown name, or a value of another type.
        TypeError: too few or too many arguments.
    """
    for name in kwargs:
        if name not in signature.parameters:
            near = get_close_matches(name, signature.parameters, 1)
            known = f"did you mean {near[0]}?" if near else f"no such option: take {', '.join(signature.parameters)}"
            raise UsageError(f"{name}: {known}")
    check_text(kwargs)
    bound = signature.bind(*args, **kwargs)
    return {name: check_value(name, value, hints[name]) for name, value in bound.arguments.items()}


def _options(function: Callable[..., Any]) -> dict[str, tuple[Any, Option]]:
    """The options in ``**options: Unpack[…]``, if the function has them."""
    unpacked = get_args(get_type_hints(function, include_extras=True).get("options"))
    return declared_options(unpacked[0]) if unpacked else {}
