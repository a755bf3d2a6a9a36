"""Running a verb to its end: signals, errors, exit codes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import NoReturn, TypeVar

import typer

from helios.errors import HeliosError
from helios.orchestrator.events import RunFailed
from helios.stopping import Stopped, run_stoppable

T = TypeVar("T")


_KEPT = "stopped; chunks that are made are kept: helios job list"


def run(
    work: Coroutine[object, object, T],
    *,
    show: AbstractContextManager[object] | None = None,
    json: bool = False,
    stopped: str = _KEPT,
) -> T:
    """Runs ``work``; ends the program with one clear line and the right exit code where it fails.

    The bars of ``show`` are on the terminal only while the work runs, so whatever is printed afterwards has a line of
    its own. SIGINT (Ctrl-C), SIGTERM and SIGHUP cancel the work, which cleans up behind itself, and print ``stopped``;
    the exit codes are 130, 143 and 129.
    """
    try:
        with show or nullcontext():
            return run_stoppable(work)
    except HeliosError as error:
        fail(error, json=json)
    except Stopped:
        with contextlib.suppress(OSError):  # after SIGHUP there may be no terminal
            if show is None and sys.stderr.isatty():
                typer.echo(err=True)  # the terminal has echoed ^C
            typer.echo(f"helios: {stopped}", err=True)
        raise


def fail(error: HeliosError, *, json: bool = False) -> NoReturn:
    """Says what is wrong and ends the program."""
    if json:
        typer.echo(RunFailed(code=error.code, message=str(error)).model_dump_json())
    typer.echo(f"helios: {error}", err=True)
    raise typer.Exit(error.exit_code)
