"""``helios job``: jobs that outlive the command that started them."""

from __future__ import annotations

import json as json_
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from helios.adapters.faults import check_faults
from helios.cli import options
from helios.cli.progress import reporter
from helios.cli.run import fail, run
from helios.errors import HeliosError, UsageError
from helios.output import is_special

if TYPE_CHECKING:
    from helios.jobs import JobStatus, Journal
    from helios.jobs.job import Job

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Manage jobs: run, watch, pause, resume, report."
)

Name = Annotated[str, typer.Argument(metavar="JOB", help="A job's id, or the beginning of it.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Spec = Annotated[Path, typer.Argument(metavar="SPEC", help="A job spec, as `helios render --emit-job` writes it.")]
Detach = Annotated[bool, typer.Option("--detach", help="Leave a process behind that goes on with it, and return.")]


def _journal() -> Journal:
    from helios.jobs import Journal  # a while to load: not for the other commands

    return Journal()


@app.command("run")
def run_(
    spec: Spec,
    chunk: Annotated[
        int | None, typer.Option(help="Only this chunk, into a file here, and say how to repeat it.")
    ] = None,
    inject: options.Inject = None,
    quiet: Quiet = False,
    json: options.Json = False,
) -> None:
    """Run a job spec to its end.

    Chunks that are made are kept: what was stopped goes on, and what was done needs to be joined only.

    Examples:

        helios render page.html -o out.mp4 --emit-job job.json

        helios job run job.json

        helios job run job.json --chunk 7
    """
    from helios.jobs import JobSpec, Journal
    from helios.jobs.repro import run_repro
    from helios.jobs.runner import run_job

    try:
        check_faults(inject)
        read = JobSpec.read(spec)
        if chunk is not None:
            segment, command = run(run_repro(read, chunk, Path.cwd()), json=json)
            _say({"segment": str(segment), "repeat": command}, f"{segment}\nrepeat it: {command}", json=json)
            return
        journal = Journal()
    except HeliosError as error:
        fail(error, json=json)
    report = reporter(quiet=quiet, json=json)
    with closing(journal):
        run(run_job(journal, journal.create(read), report.show, inject=inject), show=report, json=json)


@app.command()
def submit(spec: Spec, json: options.Json = False) -> None:
    """Leave a process behind that runs a job spec, and print the job's id.

    Example:

        helios job submit job.json
    """
    from helios.jobs import JobSpec, Journal
    from helios.jobs.job import Job

    try:
        job = Job.submit(Journal(), JobSpec.read(spec))
    except HeliosError as error:
        fail(error, json=json)
    _say({"job": job.id}, job.id, json=json)


@app.command("list")
def list_(json: options.Json = False) -> None:
    """List all jobs, the newest first."""
    with _open(json=json) as journal:
        statuses = journal.statuses()
    for status in statuses:
        _say(_values(status), _row(status), json=json)
    if not statuses and not json:
        typer.echo("there are no jobs", err=True)


@app.command()
def status(name: Name, json: options.Json = False) -> None:
    """Say how far a job has come.

    Example:

        helios job status 1f2e --json
    """
    with _known(name, json=json) as job:
        found = job.status()
        _say(_values(found), _row(found) + (f"\n{found.error}" if found.error else ""), json=json)


@app.command()
def watch(name: Name, quiet: Quiet = False, json: options.Json = False) -> None:
    """Show what a job does until it ends; leaving it does not stop it."""
    report = reporter(quiet=quiet, json=json)
    with _known(name, json=json) as job:

        async def follow() -> None:
            async for event in job.events():
                report.show(event)
            await job.result()

        run(follow(), show=report, json=json)


@app.command()
def logs(
    name: Name,
    chunk: Annotated[int | None, typer.Option(help="Print the entries of this chunk only.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new entries until the job stops; Ctrl-C leaves it running.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Print the log of a job: changes of state with their reasons, warnings, and the output of commands.

    Examples:

        helios job logs 1f2e --follow

        helios job logs 1f2e --chunk 3 --json
    """
    with _known(name, json=json) as job:
        job.check_chunk(chunk)

        async def print_log() -> None:
            async for entry in job.log(follow=follow, chunk=chunk):
                at = time.strftime("%F %T", time.localtime(entry.at))
                _say(entry.values(), f"{at}  {entry}", json=json)

        run(print_log(), json=json, stopped=f"job {job.id} goes on: helios job logs {job.id} --follow")


@app.command()
def pause(name: Name, json: options.Json = False) -> None:
    """Pause a job. Its finished chunks stay cached."""
    with _known(name, json=json) as job:
        run(job.pause(), json=json)
        _say(_values(job.status()), f"{job.id} is {job.status().display_state}: helios job resume {job.id}", json=json)


@app.command()
def cancel(name: Name, json: options.Json = False) -> None:
    """Cancel a job. Its finished chunks stay cached until you delete it."""
    with _known(name, json=json) as job:
        run(job.cancel(), json=json)
        _say(_values(job.status()), f"{job.id} is {job.status().display_state}", json=json)


@app.command()
def resume(
    name: Name,
    store: Annotated[str | None, typer.Option(help="Where another machine kept the job's chunks (a URL).")] = None,
    detach: Detach = False,
    inject: options.Inject = None,
    quiet: Quiet = False,
    json: options.Json = False,
) -> None:
    """Go on with a job that was paused, cancelled, interrupted or has failed. Chunks that are made are not made again.

    Example:

        helios job resume 1f2e --store s3://bucket/videos
    """
    _resume(name, store=store, detach=detach, inject=inject, quiet=quiet, json=json)


@app.command()
def retry(
    name: Name, detach: Detach = False, inject: options.Inject = None, quiet: Quiet = False, json: options.Json = False
) -> None:
    """Try again what has failed: each chunk that is missing gets as many attempts as at first."""
    with _known(name, json=json) as job:
        if (found := job.status()).state != "failed":
            fail(UsageError(f"job {job.id} is {found.display_state}, and has not failed"), json=json)
    _resume(name, store=None, detach=detach, inject=inject, quiet=quiet, json=json)


@app.command()
def delete(name: Name, json: options.Json = False) -> None:
    """Forget a job, and remove the chunks that it has made. Its video stays."""
    with _known(name, json=json) as job:
        run(job.delete(), json=json)
        _say({"job": job.id, "state": "deleted"}, f"{job.id} is deleted", json=json)


@app.command()
def report(
    name: Name,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write; else JOB.html.")] = None,
    json: options.Json = False,
) -> None:
    """Write a page that shows a job: chunks, attempts and workers over time, what failed, and the video."""
    from helios.jobs.report import write_report

    with _known(name, json=json) as job, closing(_journal()) as journal:
        path = output or Path(f"{job.id}.html")
        try:
            write_report(journal, job.id, path)
        except HeliosError as error:
            fail(error, json=json)
        if json or not is_special(path):  # or else the report itself may go to the same terminal
            _say({"job": job.id, "report": str(path)}, str(path), json=json)


@app.command()
def repro(
    name: Name, chunk: Annotated[int, typer.Argument(metavar="CHUNK", help="Its number.")], json: options.Json = False
) -> None:
    """Lay out all that one chunk of a job needs in a folder here, and print the command that makes it."""
    from helios.jobs.repro import write_repro

    with _open(json=json) as journal:
        found = journal.find(name)
        command = write_repro(journal.spec(found), chunk, Path(f"{found}-chunk-{chunk:06}"))
    _say({"command": command}, command, json=json)


@contextmanager
def _known(name: str, *, json: bool) -> Generator[Job]:
    """The job of that name, or one clear line."""
    from helios.jobs.job import Job

    with _open(json=json) as journal:
        yield Job(journal, journal.find(name))


@contextmanager
def _open(*, json: bool) -> Generator[Journal]:
    """The journal; what goes wrong with it is one clear line."""
    try:
        with closing(_journal()) as journal:
            yield journal
    except HeliosError as error:
        fail(error, json=json)


def _say(values: dict[str, object], text: str, *, json: bool) -> None:
    typer.echo(json_.dumps(values) if json else text)


def _values(status: JobStatus) -> dict[str, object]:
    return {
        "job": status.id,
        "state": status.display_state,
        "output": str(status.output),
        "created": status.created,
        "started": status.started,
        "finished": status.finished,
        "frames": status.frames,
        "all_frames": status.all_frames,
        "chunks": status.chunks,
        "all_chunks": status.all_chunks,
        "error": status.error,
        "code": status.code,
    }


def _row(status: JobStatus) -> str:
    created = time.strftime("%F %T", time.localtime(status.created))
    share = f"{status.frames}/{status.all_frames} frames, {status.chunks}/{status.all_chunks} chunks"
    return f"{status.id}  {created}  {status.display_state:<11}  {share:<34}  {status.output}"


def _resume(name: str, *, store: str | None, detach: bool, inject: str | None, quiet: bool, json: bool) -> None:
    from helios.jobs.job import Job
    from helios.jobs.runner import run_job

    with _open(json=json) as journal:
        check_faults(inject)
        try:
            if store and not journal.exists(name):
                job = run(Job.adopt(journal, name, store), json=json)
            else:
                job = Job(journal, journal.find(name))
            if detach:
                job.resume()
                _say({"job": job.id}, job.id, json=json)
                return
        except HeliosError as error:
            fail(error, json=json)
        report = reporter(quiet=quiet, json=json)
        run(run_job(journal, job.id, report.show, inject=inject), show=report, json=json)
