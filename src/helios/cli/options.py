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
Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write.")]
Width = Annotated[int | None, typer.Option(help="Pixels; else the page's, else 1920.")]
Height = Annotated[int | None, typer.Option(help="Pixels; else the page's, else 1080.")]
Fps = Annotated[str | None, typer.Option(help="Frames per second: 30, 23.976 or 30000/1001; else the page's, else 30.")]
Duration = Annotated[float | None, typer.Option(help="Length in seconds; else the page's.")]
Frames = Annotated[int | None, typer.Option(help="Length in frames, instead of --duration.")]
Props = Annotated[str | None, typer.Option(help="JSON for window.helios.props, or @FILE that holds it.")]
ReadyTimeout = Annotated[float, typer.Option(help="Seconds that the page may take to become ready.")]
ChunkFrames = Annotated[int | None, typer.Option(help="The most frames that a chunk may have.")]
Store = Annotated[
    str | None, typer.Option(metavar="URL", help="Where chunks are kept; two clouds: URL,URL. Else a folder of yours.")
]
Adapter = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Adapter whose workers draw: local, aws, gcp or one of an installed package; several with commas.",
    ),
]
Function = Annotated[
    str | None, typer.Option(metavar="NAME", help="The function that draws; else the one that is deployed.")
]
Service = Annotated[
    str | None, typer.Option(metavar="URL", help="The Cloud Run service that draws; else the one that is deployed.")
]
NetworkPolicy = Annotated[
    str | None,
    typer.Option(
        "--network",
        metavar="none|public|all",
        help="What the page may reach beside its folder; else all from here, public from a cloud.",
    ),
]
Alpha = Annotated[
    bool, typer.Option("--alpha", help="Keep the page's transparency: it stands on nothing, instead of on white.")
]
Inject = Annotated[
    str | None,
    typer.Option(
        metavar="FAULTS",
        help="Have things go wrong, to see for yourself: kill=0.1,slow=4x@0.05,throttle=0.2,corrupt=0.02,store=0.1.",
    ),
]
Workers = Annotated[str, typer.Option(metavar="N|auto", help="How many workers draw at once.")]
Codec = Annotated[
    str | None,
    typer.Option(help="h264, h265, vp9, av1, prores, or an encoder of ffmpeg's. Else as is usual for the file."),
]
Preview = Annotated[bool, typer.Option("--preview", help="Half as wide and high, and encoded in a hurry.")]
Crf = Annotated[float | None, typer.Option(help="Quality; lower is better. Else 18 for h264.")]
Preset = Annotated[str | None, typer.Option(help="The encoder's preset. Else medium for h264.")]
PixelFormat = Annotated[str | None, typer.Option(help="Else yuv420p.")]
Capture = Annotated[
    str,
    typer.Option(metavar="auto|fast|faithful", help="Draw fast, or as the browser shows it, or fast where both agree."),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Draw all anew, even what is kept from before.")]
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
