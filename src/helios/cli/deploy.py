"""``helios deploy``: creates, lists, checks and removes deployments in a cloud."""

from __future__ import annotations

import sys
from functools import partial
from typing import Annotated, Any

import typer

import helios
from helios.api.deployments import make_settings
from helios.cli import options
from helios.cli.deploy_reporters import show_check, show_deployment, show_event
from helios.cli.run import run
from helios.clouds import open_cloud
from helios.clouds.names import default_name
from helios.stopping import interruptible

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="Deploy Helios to a cloud.")

Name = Annotated[str | None, typer.Option(metavar="NAME", help="Deployment name (default: helios-VERSION).")]
Cloud = Annotated[str, typer.Option(metavar="aws|gcp", help="Cloud of the deployment.")]
KeepDays = Annotated[int | None, typer.Option(help="Days until chunks are deleted (default 30).")]
Image = Annotated[
    str | None, typer.Option(metavar="URI", help="Your own image; give it each time (default: build one).")
]
Refresh = Annotated[bool, typer.Option("--refresh", help="Build the image again, with the newest browser and fonts.")]
AllowCommand = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COMMAND",
        help="Command that workers run besides Helios' own, not confined; repeatable, '' removes all (default: none).",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the changes without applying them.")]
Yes = Annotated[bool, typer.Option("--yes", help="Confirm the loss of data without being asked.")]


@app.command()
def aws(
    name: Name = None,
    architecture: Annotated[
        str | None, typer.Option(metavar="x86_64|arm64", help="Function architecture (default x86_64).")
    ] = None,
    memory: Annotated[int | None, typer.Option(help="Function memory in MB (default 3008).")] = None,
    timeout: Annotated[int | None, typer.Option(help="Chunk timeout in seconds (default 900).")] = None,
    disk: Annotated[int | None, typer.Option(help="Function disk (/tmp) in MB (default 2048).")] = None,
    keep_days: KeepDays = None,
    log_days: Annotated[int | None, typer.Option(help="Days until logs are deleted (default 14).")] = None,
    image: Image = None,
    allow_command: AllowCommand = None,
    refresh: Refresh = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: options.Json = False,
) -> None:
    """Create Helios' bucket, image and function in your AWS account, or update them in place.

    An option that is not given keeps its current value. AWS settings such as AWS_PROFILE and AWS_REGION choose the
    account and the region.

    Examples:

        helios deploy aws --dry-run

        helios deploy aws

        helios deploy aws --memory 5307 --timeout 600
    """
    _deploy(
        "aws",
        dry_run=dry_run,
        yes=yes,
        json=json,
        name=name,
        architecture=architecture,
        memory=memory,
        timeout=timeout,
        disk=disk,
        keep_days=keep_days,
        log_days=log_days,
        allow_commands=allow_command,
        image=image,
        refresh=refresh,
    )


@app.command()
def gcp(
    name: Name = None,
    region: Annotated[
        str | None, typer.Option(help="Region, fixed once deployed (default: CLOUDSDK_RUN_REGION or us-central1).")
    ] = None,
    memory: Annotated[int | None, typer.Option(help="Instance memory in MiB, files included (default 4096).")] = None,
    cpus: Annotated[int | None, typer.Option(help="vCPU of an instance (default 2).")] = None,
    timeout: Annotated[int | None, typer.Option(help="Chunk timeout in seconds (default 3600).")] = None,
    max_instances: Annotated[
        int | None, typer.Option(help="Maximum instances (default: what the quota allows, up to 100).")
    ] = None,
    keep_days: KeepDays = None,
    image: Image = None,
    allow_command: AllowCommand = None,
    refresh: Refresh = False,
    dry_run: DryRun = False,
    knative: Annotated[
        bool, typer.Option("--knative", help="Print the service as YAML for gcloud run services replace, and exit.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Create Helios' bucket, image and service in your Google Cloud project, or update them in place.

    An option that is not given keeps its current value. GOOGLE_CLOUD_PROJECT, GOOGLE_APPLICATION_CREDENTIALS and
    gcloud's settings choose the project and the credentials.

    Examples:

        helios deploy gcp --dry-run

        helios deploy gcp --region europe-west1

        helios deploy gcp --max-instances 300 --memory 8192 --cpus 4
    """
    settings = {
        "name": name,
        "region": region,
        "memory": memory,
        "cpus": cpus,
        "timeout": timeout,
        "max_instances": max_instances,
        "keep_days": keep_days,
        "allow_commands": allow_command,
        "image": image,
        "refresh": refresh,
    }
    if knative:
        typer.echo(run(_knative(settings)), nl=False)
    else:
        _deploy("gcp", dry_run=dry_run, yes=False, json=json, **settings)


@app.command("list")
def list_(cloud: Cloud = "aws", json: options.Json = False) -> None:
    """List the deployments in this AWS account and region, or in this Google Cloud project.

    Examples:

        helios deploy list --json

        helios deploy list --cloud gcp
    """
    found = run(helios.deployments(cloud), json=json)
    for deployment in found:
        show_deployment(deployment, json=json)
    if not found and not json:
        typer.echo(f"there are no deployments in {open_cloud(cloud).scope}", err=True)


@app.command()
def check(
    name: Name = None,
    workers: Annotated[int, typer.Option("--workers", "-w", min=1, help="Concurrent workers.")] = 100,
    cloud: Cloud = "aws",
    json: options.Json = False,
) -> None:
    """Check a deployment, your quotas and your permissions before a job costs money.

    The exit code is 0 if no check fails, else 1.

    Examples:

        helios deploy check --workers 200

        helios deploy check --cloud gcp
    """

    async def run_checks() -> bool:
        failed = False
        async for result in open_cloud(cloud).check(name, workers):
            show_check(result, json=json)
            failed |= result.ok is False
        return failed

    if run(run_checks(), json=json):
        raise typer.Exit(1)


@app.command()
def destroy(name: Name = None, yes: Yes = False, cloud: Cloud = "aws", json: options.Json = False) -> None:
    """Remove a deployment with all its data: bucket, images, function or service, logs, accounts.

    Examples:

        helios deploy destroy --name helios-0-1-0

        helios deploy destroy --cloud gcp
    """

    def confirm(_line: str) -> bool:
        return yes or (_is_interactive(json=json) and _typed_name() == (name or default_name(helios.__version__)))

    work = helios.destroy(cloud, name, confirm=confirm, on_event=partial(show_event, json=json))
    run(work, json=json, stopped=_stopped(cloud))


def _deploy(cloud: str, *, dry_run: bool, yes: bool, json: bool, **settings: Any) -> None:
    def confirm(line: str) -> bool:
        return yes or (_is_interactive(json=json) and _agrees(f"{line}. Continue?"))

    show = partial(show_event, json=json)
    work = helios.deploy(cloud, on_event=show, confirm=confirm, dry_run=dry_run, **settings)
    deployment = run(work, json=json, stopped=_stopped(cloud))
    if deployment is not None:
        show_deployment(deployment, json=json)


async def _knative(settings: dict[str, Any]) -> str:
    open_cloud("gcp")  # raises without the extra
    from helios.clouds.gcp.cloud import GoogleCloud

    cloud = GoogleCloud()
    return await cloud.knative(make_settings(cloud, settings), show=partial(show_event, json=False))


def _stopped(cloud: str) -> str:
    return f"stopped; {cloud} finishes the steps that have started, and the same command continues from there"


def _is_interactive(*, json: bool) -> bool:
    return not json and sys.stdin.isatty()


def _agrees(question: str) -> bool:
    with interruptible():
        return typer.confirm(question, err=True)


def _typed_name() -> str:
    with interruptible():
        return typer.prompt("Type the deployment's name to remove it", err=True)
