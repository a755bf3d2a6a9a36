"""``helios worker``: the worker that clouds run, by hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from helios.cli.run import fail, run
from helios.errors import HeliosError, UsageError
from helios.release import __version__
from helios.worker.message import Answer, Payload
from helios.worker.runtime import worker_here

app = typer.Typer(no_args_is_help=True, help="What runs in a cloud, by hand.")


@app.callback()
def _group() -> None:
    """What runs in a cloud, by hand."""


@app.command("exec")
def execute(
    job: Annotated[Path, typer.Argument(metavar="JOB", help="A payload as JSON; - is standard input.")],
) -> None:
    """Run one job as a worker in a cloud does, and print what came of it as JSON.

    Its inputs come from the payload's store, its outputs go there, in a folder of its own that is gone afterwards.
    `HELIOS_STORE` names the only store that it may use, `HELIOS_COMMANDS` commands that it may run too,
    `HELIOS_CACHE_MB` how much of bundles it keeps.

    Examples:

        helios worker exec job.json
    """
    try:
        payload, worker = _read(job), worker_here(__version__)
    except HeliosError as error:
        fail(error)
    answer: Answer = run(worker.run(payload))
    typer.echo(answer.model_dump_json())
    if answer.failure:
        typer.echo(f"helios: {answer.failure.message}", err=True)
    raise typer.Exit(1 if answer.failure or answer.exit_code else 0)


def _read(job: Path) -> Payload:
    try:
        return Payload.model_validate_json(sys.stdin.buffer.read() if str(job) == "-" else job.read_bytes())
    except OSError as error:
        raise UsageError(f"{job} can't be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{job} is no payload: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
