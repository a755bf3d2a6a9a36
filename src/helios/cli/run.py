"""Running a verb to its end: signals, errors, exit codes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import NoReturn, TypeVar

import typer

from helios.errors import HeliosError
from helios.orchestrator.events import Failed

T = TypeVar("T")


_KEPT = "stopped; chunks that are made are kept: helios job list"


def run(work: Coroutine[object, object, T], *, json: bool = False, stopped: str = _KEPT) -> T:
    """Runs ``work``; ends the program with one clear line and the right exit code where it fails.

    Ctrl-C, after which ``stopped`` is said, and SIGTERM cancel the work, which cleans up behind itself; the exit codes
    are 130 and 143.
    """
    try:
        return asyncio.run(_cancellable(work))
    except HeliosError as error:
        fail(error, json=json)
    except KeyboardInterrupt:
        typer.echo(f"helios: {stopped}", err=True)
        raise typer.Exit(128 + signal.SIGINT) from None
    except asyncio.CancelledError:
        raise typer.Exit(128 + signal.SIGTERM) from None


def fail(error: HeliosError, *, json: bool = False) -> NoReturn:
    """Says what is wrong and ends the program."""
    if json:
        typer.echo(Failed(code=error.code, message=str(error)).model_dump_json())
    typer.echo(f"helios: {error}", err=True)
    raise typer.Exit(error.exit_code)


async def _cancellable(work: Coroutine[object, object, T]) -> T:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work
