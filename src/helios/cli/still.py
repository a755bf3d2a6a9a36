"""``helios still``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

import helios
from helios.cli import options
from helios.cli.run import fail, run
from helios.errors import HeliosError

if TYPE_CHECKING:
    from helios.composition import Network


def still(
    source: options.Source,
    output: options.Output = Path("still.png"),
    frame: Annotated[int, typer.Option(help="Which frame, counted from 0.")] = 0,
    width: options.Width = None,
    height: options.Height = None,
    fps: options.Fps = None,
    props: options.Props = None,
    ready_timeout: options.ReadyTimeout = 30.0,
    network: options.NetworkPolicy = None,
    alpha: options.Alpha = False,
) -> None:
    """Render one frame of a page into a PNG or JPEG.

    Example:

        helios still page.html --frame 42 -o frame.png
    """
    try:
        values = options.read_props(props)
    except HeliosError as error:
        fail(error)
    run(
        helios.still(
            source,
            output,
            frame=frame,
            width=width,
            height=height,
            fps=fps,
            props=values,
            ready_timeout=ready_timeout,
            network=cast("Network | None", network),
            alpha=alpha,
        )
    )
