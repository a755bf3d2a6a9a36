"""The command line: parsing, progress and printing. What it does is in ``helios.api``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import helios
from helios import logs
from helios.cli import deploy, job, worker
from helios.cli.batch import batch
from helios.cli.doctor import doctor
from helios.cli.estimate import estimate
from helios.cli.render import render
from helios.cli.still import still
from helios.cli.stitch import stitch
from helios.stopping import stoppable

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False
)
app.command()(render)
app.command()(batch)
app.command()(still)
app.command()(estimate)
app.command()(stitch)
app.command()(doctor)
app.add_typer(job.app, name="job")
app.add_typer(deploy.app, name="deploy")
app.add_typer(worker.app, name="worker")


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"helios {helios.__version__}")
        raise typer.Exit


@app.callback()
def helios_command(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose", "-v", count=True, show_default=False, help="Log information to stderr; -vv: debugging too."
        ),
    ] = 0,
    log_format: Annotated[
        logs.LogFormat | None, typer.Option(help="Log format: text or JSON lines. Alone, it logs warnings only.")
    ] = None,
) -> None:
    """Render web pages into exact video, in parallel chunks."""
    if verbose or log_format:
        logs.configure(verbose, log_format or "text")


def main() -> None:
    """The ``helios`` command."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    with stoppable():
        app()
