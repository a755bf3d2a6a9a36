"""``helios stitch``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import helios
from helios.cli import options
from helios.cli.run import run


def stitch(
    inputs: Annotated[list[Path], typer.Argument(metavar="SEGMENT...", help="Videos of one kind, in order.")],
    output: options.Output = Path("out.mp4"),
) -> None:
    """Join segments into one video, without encoding them again.

    They must have the same codec, size, pixel format and time base. Every frame's time is checked afterwards.

    Example:

        helios stitch part-1.mp4 part-2.mp4 part-3.mp4 -o video.mp4
    """
    run(helios.stitch(inputs, output))
