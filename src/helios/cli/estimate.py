"""``helios estimate``."""

from __future__ import annotations

import re
from dataclasses import asdict
from json import dumps
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

import helios
from helios.cli import options
from helios.cli.run import fail, run
from helios.errors import HeliosError

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def _seconds(text: str) -> float:
    """A length of time such as 60, 60s, 10m or 1.5h, in seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found:
        raise typer.BadParameter(f"{text} is no length of time, such as 60s, 10m or 2h")
    return float(found[1]) * _UNITS[found[2]]


def estimate(
    source: options.Source,
    width: options.Width = None,
    height: options.Height = None,
    fps: options.Fps = None,
    duration: options.Duration = None,
    frames: options.Frames = None,
    props: options.Props = None,
    chunk_frames: options.ChunkFrames = None,
    adapter: options.Adapter = "local",
    function: options.Function = None,
    service: options.Service = None,
    store: options.Store = None,
    deadline: Annotated[
        float | None,
        typer.Option(metavar="TIME", parser=_seconds, help="Choose the cheapest that is done by then: 60s, 10m, 2h."),
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(metavar="USD", help="Choose the fastest that costs no more.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Estimate the time and the cost of a video for several numbers of workers, from some rendered frames.

    Prices are a table that ages: `HELIOS_PRICES` names another. Exit code 1: no number of workers keeps the deadline or
    the cost.

    Examples:

        helios estimate page.html --duration 60

        helios estimate page.html --adapter aws --deadline 60s --max-cost 0.50
    """
    try:
        values = options.read_props(props)
    except HeliosError as error:
        fail(error, json=json)
    wanted = helios.RenderOptions(
        width=width,
        height=height,
        fps=fps,
        duration=duration,
        frames=frames,
        props=values,
        chunk_frames=chunk_frames,
        adapter=adapter,
        function=function,
        service=service,
        store=store,
    )
    found = run(helios.estimate(source, **wanted), json=json)
    chosen = _choose(found, deadline, max_cost)
    if json:
        for one in found:
            typer.echo(dumps({**asdict(one), "chosen": one is chosen}))
    else:
        _print(found, None if deadline is None and max_cost is None else chosen)
    if chosen is None:
        typer.echo("helios: no number of workers keeps within that", err=True)
        raise typer.Exit(1)


def _choose(found: list[helios.Estimate], deadline: float | None, max_cost: float | None) -> helios.Estimate | None:
    """The cheapest within the deadline, or else the fastest, of those that cost no more than they may."""

    def worth(one: helios.Estimate) -> tuple[float, int]:
        return (one.cost or 0.0) if deadline else one.seconds, one.workers

    fitting = [
        one
        for one in found
        if (deadline is None or one.seconds <= deadline) and (max_cost is None or (one.cost or 0.0) <= max_cost)
    ]
    return min(fitting, key=worth, default=None)


def _print(found: list[helios.Estimate], chosen: helios.Estimate | None) -> None:
    table = Table("workers", "chunks", "seconds", "USD", "", box=None)
    for column in table.columns[:4]:
        column.justify = "right"
    for one in found:
        cost = "-" if one.cost is None else f"{one.cost:.4f}"
        note = f"--workers {one.workers}" if one is chosen else ""
        table.add_row(str(one.workers), str(one.chunks), f"{one.seconds:.1f}", cost, note)
    Console().print(table)
