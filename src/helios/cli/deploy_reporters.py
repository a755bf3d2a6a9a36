"""Shows deployments, their events and check results: as lines for people or as JSON."""

from __future__ import annotations

import json as json_
from dataclasses import asdict

import typer

from helios.clouds import CheckResult, DeployEvent, Deployment

_SIGNS = {"Add": "+", "Modify": "~", "Remove": "-"}
_RESULTS = {True: "ok  ", False: "FAIL", None: "?   "}


def show_event(event: DeployEvent, *, json: bool) -> None:
    """Prints an event: JSON on stdout, lines on stderr."""
    typer.echo(event.model_dump_json() if json else _describe(event), err=not json)


def show_deployment(deployment: Deployment, *, json: bool) -> None:
    """Prints a deployment on stdout."""
    if json:
        typer.echo(json_.dumps(asdict(deployment)))
    else:
        head = f"{deployment.name}  {deployment.version}  {deployment.state}"
        typer.echo(f"{head}  {deployment.worker or 'no worker yet'} ({deployment.size})  {deployment.store}")


def show_check(result: CheckResult, *, json: bool) -> None:
    """Prints a check's result on stdout."""
    if json:
        typer.echo(json_.dumps(asdict(result)))
        return
    typer.echo(f"{_RESULTS[result.ok]} {result.name:14} {result.detail}")
    if result.fix:
        typer.echo(f"     {'':14} {result.fix}")


def _describe(event: DeployEvent) -> str:
    match event.event:
        case "changes-planned":
            head = f"{event.name}: {len(event.changes)} changes" if event.changes else f"{event.name}: new parameters"
            lines = (
                f"  {_SIGNS.get(change.action, '?')} {change.resource} ({change.kind})"
                f"{'  DATA LOSS' if change.destroys_data else ''}"
                for change in event.changes
            )
            return "\n".join([head, *lines])
        case "resource-changed":
            return f"{event.resource}: {event.status}" + (f" ({event.reason})" if event.reason else "")
        case "build-progressed":
            return f"image: {event.phase} {event.status}"
        case "message-issued":
            return event.message
