"""``helios batch``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

import helios
from helios.batches.table import check_table, write_table
from helios.cli import options
from helios.cli.batch_reporters import reporter
from helios.cli.run import fail, run
from helios.errors import HeliosError

if TYPE_CHECKING:
    from helios.composition import Network
    from helios.renderer.messages import CaptureChoice

_STOPPED = "stopped; videos that are made are kept, and the same command makes the rest"


def batch(
    source: options.Source,
    rows: Annotated[Path, typer.Argument(metavar="ROWS", help="A .csv or .jsonl file: a video for each row.")],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="PATTERN", help="Videos' names, with columns: 'out/{id}.mp4'.")
    ] = "out/{row}.mp4",
    width: options.Width = None,
    height: options.Height = None,
    fps: options.Fps = None,
    duration: options.Duration = None,
    frames: options.Frames = None,
    props: Annotated[str | None, typer.Option(help="JSON that all rows have below their own, or @FILE.")] = None,
    workers: options.Workers = "auto",
    codec: options.Codec = None,
    alpha: options.Alpha = False,
    preview: options.Preview = False,
    crf: options.Crf = None,
    preset: options.Preset = None,
    pixel_format: options.PixelFormat = None,
    capture: options.Capture = "auto",
    ready_timeout: options.ReadyTimeout = 30.0,
    network: options.NetworkPolicy = None,
    attempts: Annotated[int, typer.Option(help="Attempts at each video.")] = 4,
    store: options.Store = None,
    fresh: options.Fresh = False,
    adapter: options.Adapter = "local",
    function: options.Function = None,
    service: options.Service = None,
    results: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the table of results into a .csv or .jsonl file too.")
    ] = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Render a video of a page for each row of a table; a row is the page's props.

    Finished videos stay cached: the same command resumes where it stopped. Exit code 1: some videos failed.

    Examples:

        helios batch card.html people.csv -o 'out/{id}.mp4'

        helios batch card.html people.jsonl -o '{team}/{name}.mp4' --props '{"year": 2026}' --results results.csv
    """
    report = reporter(quiet=quiet, json=json)
    try:
        count = options.read_workers(workers)
        values = options.read_props(props)
        if results:
            check_table(results)
    except HeliosError as error:
        fail(error, json=json)
    wanted = helios.BatchOptions(
        width=width,
        height=height,
        fps=fps,
        duration=duration,
        frames=frames,
        props=values,
        workers=count,
        codec=codec,
        alpha=alpha,
        preview=preview,
        crf=crf,
        preset=preset,
        pixel_format=pixel_format,
        capture=cast("CaptureChoice", capture),  # helios.batch refuses any other, and of the next
        ready_timeout=ready_timeout,
        network=cast("Network | None", network),
        attempts=attempts,
        store=store,
        fresh=fresh,
        adapter=adapter,
        function=function,
        service=service,
    )
    work = helios.batch(source, rows, output, on_event=report.show, **wanted)
    found = run(work, show=report, json=json, stopped=_STOPPED)
    report.table(found)
    if results:
        try:
            write_table(found, results)
        except HeliosError as error:
            fail(error, json=json)
    if any(result.outcome == "failed" for result in found):
        raise typer.Exit(1)
