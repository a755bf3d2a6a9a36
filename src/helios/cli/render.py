"""``helios render``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

import helios
from helios.cli import options
from helios.cli.progress import Reporter, reporter
from helios.cli.run import fail, run
from helios.errors import HeliosError, UsageError

if TYPE_CHECKING:
    from helios.renderer.spec import CaptureChoice, EncoderChoice


def render(
    source: options.Source,
    output: options.Output = Path("out.mp4"),
    width: options.Width = None,
    height: options.Height = None,
    fps: options.Fps = None,
    duration: options.Duration = None,
    frames: options.Frames = None,
    frame_range: Annotated[
        str | None, typer.Option("--range", metavar="A:B", help="Only frames A to B, B not included.")
    ] = None,
    props: options.Props = None,
    workers: Annotated[str, typer.Option(metavar="N|auto", help="How many chunks are drawn at once.")] = "auto",
    chunk_frames: Annotated[int | None, typer.Option(help="The most frames that a chunk may have.")] = None,
    encoder: Annotated[
        str, typer.Option(metavar="ffmpeg|browser", help="Who encodes; the browser is faster, at a lesser quality.")
    ] = "ffmpeg",
    codec: Annotated[str, typer.Option(help="h264, h265, vp9, av1, prores, or an encoder of ffmpeg's.")] = "h264",
    crf: Annotated[float | None, typer.Option(help="Quality; lower is better. Else 18 for h264.")] = None,
    preset: Annotated[str | None, typer.Option(help="The encoder's preset. Else medium for h264.")] = None,
    pixel_format: Annotated[str | None, typer.Option(help="Else yuv420p.")] = None,
    capture: Annotated[
        str,
        typer.Option(
            metavar="auto|fast|faithful", help="Draw fast, or as the browser shows it, or fast where both agree."
        ),
    ] = "auto",
    ready_timeout: options.ReadyTimeout = 30.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
    json: options.Json = False,
) -> None:
    """Render a page into a film.

    Size, rate and length may stand in the page, as `<meta name="helios" content="width=1920, height=1080,
    fps=30, duration=8">`; options win.

    Examples:

        helios render page.html -o out.mp4 --duration 8

        helios render project/ -o out.mp4 --props '{"name": "Ada"}' --workers 4

        helios render https://example.com -o out.mp4 --fps 24000/1001 --frames 240
    """
    report: Reporter = reporter(quiet=quiet, json=json)
    try:
        count = _workers(workers)
        values = options.read_props(props)
    except HeliosError as error:
        fail(error, json=json)
    with report:
        run(
            helios.render(
                source,
                output,
                on_event=report.show,
                width=width,
                height=height,
                fps=fps,
                duration=duration,
                frames=frames,
                frame_range=frame_range,
                props=values,
                workers=count,
                chunk_frames=chunk_frames,
                encoder=cast("EncoderChoice", encoder),  # helios.render refuses any other, and of the next
                codec=codec,
                crf=crf,
                preset=preset,
                pixel_format=pixel_format,
                capture=cast("CaptureChoice", capture),
                ready_timeout=ready_timeout,
            ),
            json=json,
        )


def _workers(text: str) -> int | None:
    if text == "auto":
        return None
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--workers is a number or auto, not {text!r}") from None
