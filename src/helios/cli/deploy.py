"""``helios deploy``: what Helios needs in a cloud, made, listed, checked and removed."""

from __future__ import annotations

import json as json_
import sys
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

import helios
from helios.adapters import check_aws, check_gcp
from helios.cli import options
from helios.cli.run import fail, run
from helios.clouds.names import default_name
from helios.errors import HeliosError, UsageError
from helios.stopping import Stopped

if TYPE_CHECKING:
    from helios.clouds.aws import Deployment
    from helios.clouds.events import Change, DeployEvent
    from helios.clouds.finding import CheckResult
    from helios.clouds.gcp import Deployment as GoogleDeployment
    from helios.clouds.gcp import Project

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="What Helios needs in a cloud.")

Name = Annotated[str | None, typer.Option(metavar="NAME", help="The deployment's name; else helios-VERSION.")]
Cloud = Annotated[str, typer.Option(metavar="aws|gcp", help="Which cloud.")]
Refresh = Annotated[bool, typer.Option("--refresh", help="Build the image anew, with the newest browser and fonts.")]
AllowCommand = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COMMAND",
        help="Command that workers run besides Helios' own, not confined; repeatable, '' removes all (default: none).",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Agree to what would be lost, without being asked.")]
_SIGNS = {"Add": "+", "Modify": "~", "Remove": "-"}
_STOPPED = "stopped; what AWS does already goes on, and the same command goes on from there"


@app.command()
def aws(
    name: Name = None,
    architecture: Annotated[
        str | None, typer.Option(metavar="x86_64|arm64", help="The function's processors; at first x86_64.")
    ] = None,
    memory: Annotated[int | None, typer.Option(help="Function memory in MB (default 3008).")] = None,
    timeout: Annotated[int | None, typer.Option(help="Seconds that one chunk may take; at first 900.")] = None,
    disk: Annotated[int | None, typer.Option(help="MB of the function's /tmp; at first 2048.")] = None,
    keep_days: Annotated[int | None, typer.Option(help="Days that chunks are kept; at first 30.")] = None,
    log_days: Annotated[int | None, typer.Option(help="Days that logs are kept; at first 14.")] = None,
    image: Annotated[
        str | None, typer.Option(metavar="URI", help="An image of your own in ECR, each time; else one is built.")
    ] = None,
    allow_command: AllowCommand = None,
    refresh: Refresh = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be changed, and change nothing.")] = False,
    yes: Yes = False,
    json: options.Json = False,
) -> None:
    """Make Helios' bucket, image and function in your AWS account, or change them in place.

    What is not given stays as it is. Account and region are those of the AWS settings: AWS_PROFILE, AWS_REGION.

    Examples:

        helios deploy aws --dry-run

        helios deploy aws

        helios deploy aws --memory 5307 --timeout 600
    """
    _need_aws(json=json)
    from helios.clouds.aws import Settings, new_session
    from helios.clouds.aws.deploy import deploy
    from helios.clouds.image.context import build_context, digest

    try:
        settings = Settings(
            name=name or default_name(helios.__version__),
            architecture=architecture,
            memory=memory,
            timeout=timeout,
            disk=disk,
            keep_days=keep_days,
            log_days=log_days,
            allow=None if allow_command is None else tuple(allow_command),
            image=image,
            refresh=refresh,
        )
    except HeliosError as error:
        fail(error, json=json)
    context = build_context() if image is None else b""

    def confirm(line: str) -> bool:
        return yes or (_can_ask(json=json) and typer.confirm(f"{line}. Go on?", err=True))

    deployed = _run(
        deploy(
            new_session(),
            settings,
            version=helios.__version__,
            context=context,
            digest=digest(context) if context else "",
            show=lambda event: _show(event, json=json),
            confirm=confirm,
            dry_run=dry_run,
        ),
        json=json,
    )
    if deployed is not None:
        typer.echo(json_.dumps(asdict(deployed)) if json else _row(deployed))


@app.command()
def gcp(
    name: Name = None,
    region: Annotated[
        str | None, typer.Option(help="Where; at first CLOUDSDK_RUN_REGION, or us-central1. It stays there.")
    ] = None,
    memory: Annotated[int | None, typer.Option(help="MiB of an instance, files included; at first 4096.")] = None,
    cpus: Annotated[int | None, typer.Option(help="Processors of an instance; at first 2.")] = None,
    timeout: Annotated[int | None, typer.Option(help="Seconds that one chunk may take; at first 3600.")] = None,
    max_instances: Annotated[
        int | None, typer.Option(help="Maximum instances (default: what the quota holds, up to 100).")
    ] = None,
    keep_days: Annotated[int | None, typer.Option(help="Days that chunks are kept; at first 30.")] = None,
    image: Annotated[
        str | None, typer.Option(metavar="URI", help="An image of your own, each time; else one is built.")
    ] = None,
    allow_command: AllowCommand = None,
    refresh: Refresh = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be changed, and change nothing.")] = False,
    knative: Annotated[
        bool, typer.Option("--knative", help="Print the service as YAML, for gcloud run services replace, and end.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Make Helios' bucket, image and service in your Google Cloud project, or change them in place.

    What is not given stays as it is. Project and credentials are those of Google's tools: GOOGLE_CLOUD_PROJECT,
    GOOGLE_APPLICATION_CREDENTIALS, gcloud auth application-default login.

    Examples:

        helios deploy gcp --dry-run

        helios deploy gcp --region europe-west1

        helios deploy gcp --max-instances 300 --memory 8192 --cpus 4
    """
    from helios.clouds.image.context import build_context, digest

    with _google(json=json) as project:
        from helios.clouds.gcp import Settings
        from helios.clouds.gcp.deploy import deploy, look
        from helios.clouds.gcp.project import told
        from helios.clouds.gcp.service import knative as render_yaml

        settings = Settings(
            name=name or default_name(helios.__version__),
            region=region,
            memory=memory,
            cpus=cpus,
            timeout=timeout,
            max_instances=max_instances,
            keep_days=keep_days,
            allow=None if allow_command is None else tuple(allow_command),
            image=image,
            refresh=refresh,
        )
        context = build_context() if image is None else b""
        named = digest(context) if context else ""
        if knative:
            with told():
                found = look(
                    project,
                    settings,
                    version=helios.__version__,
                    digest=named,
                    show=lambda event: _show(event, json=False),
                )
            typer.echo(
                render_yaml(found.names, found.numbers, found.image, helios.__version__, found.commands), nl=False
            )
            return
        deployed = deploy(
            project,
            settings,
            version=helios.__version__,
            context=context,
            digest=named,
            show=lambda event: _show(event, json=json),
            dry_run=dry_run,
        )
        if deployed is not None:
            typer.echo(json_.dumps(asdict(deployed)) if json else _row_of_google(deployed))


@app.command("list")
def list_(cloud: Cloud = "aws", json: options.Json = False) -> None:
    """List what Helios has in this AWS account and region, or in this Google Cloud project.

    Examples:

        helios deploy list --json

        helios deploy list --cloud gcp
    """
    if _is_google(cloud, json=json):
        with _google(json=json) as project:
            from helios.clouds.gcp import deployments as of_project

            rows = [(asdict(each), _row_of_google(each)) for each in of_project(project)]
    else:
        _need_aws(json=json)
        from helios.clouds.aws import deployments, new_session

        rows = [(asdict(each), _row(each)) for each in _run(deployments(new_session()), json=json)]
    for found, row in rows:
        typer.echo(json_.dumps(found) if json else row)
    if not rows and not json:
        where = "in this project" if cloud == "gcp" else "in this account and region"
        typer.echo(f"there are no deployments {where}", err=True)


@app.command()
def check(
    name: Name = None,
    workers: Annotated[int, typer.Option("--workers", "-w", min=1, help="How many are to work at once.")] = 100,
    cloud: Cloud = "aws",
    json: options.Json = False,
) -> None:
    """Look whether a deployment, its account's quotas and your rights are enough for a job, before it costs money.

    Ends with 0 where they are, else with 1.

    Examples:

        helios deploy check --workers 200

        helios deploy check --cloud gcp
    """
    if _is_google(cloud, json=json):
        with _google(json=json) as project:
            from helios.clouds.gcp import find_deployment as find
            from helios.clouds.gcp.check import check as findings

            found = [
                _told(each, json=json) for each in findings(project, find(project, helios.__version__, name), workers)
            ]
        if not all(found):
            raise typer.Exit(1)
        return
    _need_aws(json=json)
    from helios.clouds.aws import find_deployment, new_session
    from helios.clouds.aws.check import check as look

    async def all_of_it() -> bool:
        session = new_session()
        deployment = await find_deployment(session, helios.__version__, name)
        fine = True
        async for finding in look(session, deployment, workers):
            fine = _told(finding, json=json) and fine
        return fine

    if not _run(all_of_it(), json=json):
        raise typer.Exit(1)


@app.command()
def destroy(name: Name = None, yes: Yes = False, cloud: Cloud = "aws", json: options.Json = False) -> None:
    """Remove a deployment with all that is in it: bucket, images, function or service, logs, accounts.

    Examples:

        helios deploy destroy --name helios-0-1-0

        helios deploy destroy --cloud gcp
    """
    wanted = name or default_name(helios.__version__)

    def confirm(_line: str) -> bool:
        return yes or (_can_ask(json=json) and typer.prompt("Type its name to go on", err=True) == wanted)

    if _is_google(cloud, json=json):
        with _google(json=json) as project:
            from helios.clouds.gcp.destroy import destroy as remove_there

            remove_there(project, wanted, show=lambda event: _show(event, json=json), confirm=confirm)
        return
    _need_aws(json=json)
    from helios.clouds.aws import new_session
    from helios.clouds.aws.destroy import destroy as remove

    _run(remove(new_session(), wanted, show=lambda event: _show(event, json=json), confirm=confirm), json=json)


def _need_aws(*, json: bool) -> None:
    """Ends the program where what speaks to AWS is not installed."""
    try:
        check_aws()
    except HeliosError as error:
        fail(error, json=json)


def _is_google(cloud: str, *, json: bool) -> bool:
    if cloud not in ("aws", "gcp"):
        fail(UsageError(f"--cloud is aws or gcp, not {cloud!r}"), json=json)
    return cloud == "gcp"


@contextmanager
def _google(*, json: bool) -> Generator[Project]:
    """The Google Cloud project; what goes wrong inside of it ends the program with a line."""
    try:
        check_gcp()
        from helios.clouds.gcp import open_project

        yield open_project()
    except HeliosError as error:
        fail(error, json=json)
    except Stopped:
        typer.echo(
            "helios: stopped; what Google does already goes on, and the same command goes on from there", err=True
        )
        raise


def _told(finding: CheckResult, *, json: bool) -> bool:
    """Shows a finding; whether it is fine, as far as could be seen."""
    typer.echo(json_.dumps(asdict(finding)) if json else _lines(finding))
    return finding.fine is not False


def _run(work: Coroutine[object, object, T], *, json: bool) -> T:
    return run(work, json=json, stopped=_STOPPED)


def _can_ask(*, json: bool) -> bool:
    return not json and sys.stdin.isatty()


def _show(event: DeployEvent, *, json: bool) -> None:
    if json:
        typer.echo(event.model_dump_json())
    else:
        typer.echo(_describe_deployment(event), err=True)


def _describe_deployment(event: DeployEvent) -> str:
    match event.event:
        case "proposed":
            head = f"{event.name}: {len(event.changes)} changes" if event.changes else f"{event.name}: other settings"
            return "\n".join([head, *map(_change, event.changes)])
        case "resource-changed":
            return f"{event.resource}: {event.status}" + (f" ({event.reason})" if event.reason else "")
        case "building":
            return f"image: {event.phase} {event.status}"
        case "message":
            return event.message


def _change(change: Change) -> str:
    lost = "  what is in it is LOST" if change.loses else ""
    return f"  {_SIGNS.get(change.action, '?')} {change.resource} ({change.kind}){lost}"


def _lines(finding: CheckResult) -> str:
    sign = {True: "ok  ", False: "MEND", None: "?   "}[finding.fine]
    return f"{sign} {finding.name:14} {finding.found}" + (f"\n     {'':14} {finding.mend}" if finding.mend else "")


def _row(deployment: Deployment) -> str:
    function = f"{deployment.architecture}, {deployment.memory_mb} MB, {deployment.timeout} s"
    return (
        f"{deployment.name}  {deployment.version}  {deployment.state}  {deployment.function or 'no function yet'} "
        f"({function})  {deployment.store}"
    )


def _row_of_google(deployment: GoogleDeployment) -> str:
    instance = f"{deployment.cpus:g} cpus, {deployment.memory_mb} MiB, {deployment.timeout} s"
    return (
        f"{deployment.name}  {deployment.version}  {deployment.state}  {deployment.service or 'no service yet'} "
        f"({instance}, at most {deployment.max_instances})  {deployment.store}"
    )
