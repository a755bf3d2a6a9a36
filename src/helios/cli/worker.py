"""``helios worker``: the worker that clouds run, by hand."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from helios.cli.run import fail, run
from helios.errors import HeliosError, UsageError
from helios.extras import check_extra
from helios.release import __version__
from helios.worker.message import JobResponse, Payload
from helios.worker.runtime import local_worker

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
    `HELIOS_STORE` names the only store that it may use, `HELIOS_COMMANDS` commands that it runs besides Helios' own
    (with commas between), `HELIOS_CACHE_MB` how much of bundles it keeps.

    Examples:

        helios worker exec job.json
    """
    try:
        payload, worker = _read(job), local_worker(__version__)
    except HeliosError as error:
        fail(error)
    answer: JobResponse = run(worker.run(payload))
    typer.echo(answer.model_dump_json())
    if answer.failure:
        typer.echo(f"helios: {answer.failure.message}", err=True)
    raise typer.Exit(1 if answer.failure or answer.exit_code else 0)


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="The address to listen at; else all on Cloud Run, and loopback elsewhere.")
    ] = None,
    port: Annotated[int, typer.Option(envvar="PORT", min=0, max=65535, help="The port to listen at.")] = 8080,
    behind_iam: Annotated[
        bool, typer.Option("--behind-iam", help="Something in front lets in only those who may, as Cloud Run's IAM.")
    ] = False,
) -> None:
    """Take jobs over HTTP, one at a time, as on Cloud Run.

    Callers show an ID token of Google's: `HELIOS_AUDIENCE` is what it must be for, `HELIOS_CALLERS` are the accounts
    that may send jobs. `HELIOS_STORE`, `HELIOS_COMMANDS` and `HELIOS_CACHE_MB` are as for `helios worker exec`.

    Examples:

        HELIOS_AUDIENCE=https://me.example HELIOS_CALLERS=me@example.com helios worker serve

        helios worker serve --behind-iam --port 9000
    """
    try:
        check_extra("serving", "http", "starlette", "uvicorn", "google.auth")
        from helios.worker.service import serve as serve_
        from helios.worker.tokens import local_verifier

        verifier, worker = local_verifier(), local_worker(__version__)
        if not (verifier or behind_iam):
            raise UsageError(
                "nobody would be kept out: set HELIOS_AUDIENCE and HELIOS_CALLERS, or say --behind-iam where "
                "something in front checks callers"
            )
        serve_(worker, verifier, host or ("0.0.0.0" if "K_SERVICE" in os.environ else "127.0.0.1"), port)
    except HeliosError as error:
        fail(error)


def _read(job: Path) -> Payload:
    try:
        return Payload.model_validate_json(sys.stdin.buffer.read() if str(job) == "-" else job.read_bytes())
    except OSError as error:
        raise UsageError(f"{job} can't be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{job} is no payload: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
