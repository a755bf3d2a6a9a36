"""``helios worker``: runs the cloud worker on this machine."""

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

app = typer.Typer(no_args_is_help=True, help="Run the cloud worker on this machine.")


@app.callback()
def _group() -> None:
    """Run the cloud worker on this machine."""


@app.command("exec")
def execute(
    job: Annotated[Path, typer.Argument(metavar="JOB", help="The job as JSON (a payload); - is standard input.")],
) -> None:
    """Run one job as a cloud worker does, and print the response as JSON.

    The worker downloads the inputs from the payload's store into a temporary folder, and uploads the outputs there.
    `HELIOS_STORE` limits it to one store, `HELIOS_COMMANDS` allows more commands than Helios' own (comma-separated),
    `HELIOS_CACHE_MB` limits its cache of page folders.

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
        str | None, typer.Option(help="Address to listen on (default: all on Cloud Run, else loopback).")
    ] = None,
    port: Annotated[int, typer.Option(envvar="PORT", min=0, max=65535, help="Port to listen on.")] = 8080,
    behind_iam: Annotated[
        bool, typer.Option("--behind-iam", help="Trust a front end, such as Cloud Run's IAM, to authenticate callers.")
    ] = False,
) -> None:
    """Accept jobs over HTTP, one at a time, as on Cloud Run.

    Callers authenticate with a Google ID token: `HELIOS_AUDIENCE` is its audience, `HELIOS_CALLERS` are the
    accounts that may send jobs. `HELIOS_STORE`, `HELIOS_COMMANDS` and `HELIOS_CACHE_MB` work as for `worker exec`.

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
                "callers would not be authenticated: set HELIOS_AUDIENCE and HELIOS_CALLERS, or use --behind-iam "
                "where a front end authenticates them"
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
