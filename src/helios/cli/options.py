"""Options that more than one command has, each declared once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from helios.errors import UsageError

Source = Annotated[
    str,
    typer.Argument(metavar="INPUT", help="A page: a file, a folder with index.html, or an http(s) address."),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Output file.")]
Width = Annotated[int | None, typer.Option(help="Frame width in pixels (default: the page's, else 1920).")]
Height = Annotated[int | None, typer.Option(help="Frame height in pixels (default: the page's, else 1080).")]
Fps = Annotated[
    str | None, typer.Option(help="Frames per second, such as 30, 23.976 or 30000/1001 (default: the page's, else 30).")
]
Duration = Annotated[float | None, typer.Option(help="Length in seconds (default: the page's).")]
Frames = Annotated[int | None, typer.Option(help="Length in frames, instead of --duration.")]
Props = Annotated[str | None, typer.Option(help="JSON for window.helios.props, or @FILE to read it.")]
ReadyTimeout = Annotated[float, typer.Option(help="Time limit in seconds for the page to become ready.")]
ChunkFrames = Annotated[int | None, typer.Option(help="Maximum length of a chunk in frames.")]
Store = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="URL of the store for chunks; for two clouds, URL,URL (default: a folder of this user)."
    ),
]
Adapter = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Adapter whose workers draw: local, aws, gcp or one of an installed package; several with commas.",
    ),
]
Function = Annotated[
    str | None, typer.Option(metavar="NAME", help="AWS Lambda function that renders (default: the deployed one).")
]
Service = Annotated[
    str | None,
    typer.Option(metavar="URL", help="URL of the Cloud Run service that renders (default: the deployed one)."),
]
NetworkPolicy = Annotated[
    str | None,
    typer.Option(
        "--network",
        metavar="none|public|all",
        help="Network access of the page (default: all locally, public in a cloud).",
    ),
]
Alpha = Annotated[bool, typer.Option("--alpha", help="Transparent background, in formats that support it.")]
Inject = Annotated[
    str | None,
    typer.Option(
        metavar="FAULTS",
        help="Inject failures, for testing: kill=0.1,slow=4x@0.05,throttle=0.2,corrupt=0.02,store=0.1.",
    ),
]
Workers = Annotated[str, typer.Option(metavar="N|auto", help="Number of parallel workers.")]
Codec = Annotated[
    str | None,
    typer.Option(help="h264, h265, vp9, av1, prores, or an encoder of ffmpeg's. Else as is usual for the file."),
]
Preview = Annotated[bool, typer.Option("--preview", help="Half the width and height, and fast encoding.")]
Crf = Annotated[float | None, typer.Option(help="Constant rate factor; lower is better (default: 18 for h264).")]
Preset = Annotated[str | None, typer.Option(help="Encoder preset (default: medium for h264).")]
PixelFormat = Annotated[str | None, typer.Option(help="Pixel format (default: yuv420p).")]
Capture = Annotated[
    str,
    typer.Option(
        metavar="auto|fast|faithful",
        help="Capture method: auto uses fast capture where sample frames match faithful ones.",
    ),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Render every chunk again, also cached ones.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Json = Annotated[bool, typer.Option("--json", help="Print events as JSON, a line each, on stdout.")]


def read_workers(text: str) -> int | None:
    """The value of --workers; None where it is left to Helios.

    Raises:
        UsageError: it is no number.
    """
    if text == "auto":
        return None
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--workers is a number or auto, not {text!r}") from None


def read_props(text: str | None) -> object:
    """The value of --props.

    Raises:
        UsageError: no such file, or no JSON.
    """
    if text is None:
        return None
    label = "--props"
    if text.startswith("@"):
        label = text[1:]
        try:
            text = Path(label).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--props: {label} can't be read: {error}") from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{label} is not JSON: {error}") from None


def parse_metadata(pairs: Iterable[str]) -> dict[str, str]:
    """What each --metadata, such as title=Hello, says.

    Raises:
        UsageError: one is no KEY=VALUE.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--metadata {pair}: it is KEY=VALUE, as in title=Hello")
        found[key] = value
    return found
