"""The options of the verbs, and the request that they make."""

# pyright: reportTypedDictNotRequiredAccess=false
# ``complete`` adds the defaults of the options that the caller leaves out.

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from os import PathLike
from typing import Annotated, TypedDict, cast

from helios.adapters import Target, WorkerAdapter
from helios.api.option import Json, Option, declared_options
from helios.audio import AudioCodec
from helios.composition import Declared, Format, Network, Source, parse_rate
from helios.errors import UsageError
from helios.orchestrator import RenderRequest
from helios.orchestrator.assemble import StitchChoice
from helios.renderer.messages import CaptureChoice, EncoderChoice, Encoding

AdapterChoice = str | Target | WorkerAdapter | Sequence[str | Target | WorkerAdapter]
"""Adapters by name (several with commas between), by their settings, or as objects."""


class CompositionOptions(TypedDict, total=False):
    """Options of a page: size, rate, length and data. ``help(helios.still)`` describes each."""

    width: Annotated[int | None, Option("Frame width in pixels", unset="the page's, else 1920")]
    height: Annotated[int | None, Option("Frame height in pixels", unset="the page's, else 1080")]
    fps: Annotated[
        str | float | Fraction | None,
        Option("Frames per second, such as 30, 23.976 or 30000/1001", unset="the page's, else 30"),
    ]
    duration: Annotated[float | None, Option("Length in seconds", unset="the page's")]
    frames: Annotated[int | None, Option("Length in frames, instead of a duration")]
    props: Annotated[Json, Option("JSON value for window.helios.props")]
    ready_timeout: Annotated[float, Option("Time limit in seconds for the page to become ready", 30.0)]
    network: Annotated[
        Network | None,
        Option("Network access of the page: none, public or all", unset="all locally, public in a cloud"),
    ]
    alpha: Annotated[bool, Option("Transparent background, in formats that support it", False)]


class BatchOptions(CompositionOptions, total=False):
    """Options of a batch. ``help(helios.batch)`` describes each."""

    workers: Annotated[
        int | None, Option("Number of workers, in parallel; for each cloud its own", unset="as many as pay off")
    ]
    preview: Annotated[bool, Option("Half the width and height, and fast encoding", False)]
    codec: Annotated[
        str | None,
        Option("Video codec: h264, h265, vp9, av1, prores or an encoder of ffmpeg", unset="by the output format"),
    ]
    crf: Annotated[float | None, Option("Constant rate factor; lower is better", unset="18 for h264")]
    preset: Annotated[str | None, Option("Encoder preset", unset="medium for h264")]
    pixel_format: Annotated[str | None, Option("Pixel format of ffmpeg", unset="yuv420p")]
    capture: Annotated[
        CaptureChoice,
        Option("Capture method: fast, faithful, or auto for fast where sample frames match faithful ones", "auto"),
    ]
    attempts: Annotated[int, Option("Attempts at each chunk, or at each video of a batch", 4)]
    store: Annotated[
        str | None, Option("URL of the store for chunks; for two clouds, URL,URL", unset="a folder of this user")
    ]
    fresh: Annotated[bool, Option("Render every chunk again, also those in the store", False)]
    adapter: Annotated[
        AdapterChoice,
        Option(
            "Where workers run: local, aws, gcp or an installed adapter, or several with commas; or adapter objects",
            "local",
        ),
    ]
    function: Annotated[str | None, Option("AWS Lambda function that renders", unset="the deployed one")]
    service: Annotated[str | None, Option("URL of the Cloud Run service that renders", unset="the deployed one")]


class RenderOptions(BatchOptions, total=False):
    """Options of a video. ``help(helios.render)`` describes each."""

    frame_range: Annotated[str | None, Option("Frames A to B (not included) as A:B", unset="all frames")]
    chunk_frames: Annotated[int | None, Option("Maximum length of a chunk in frames", unset="chosen by Helios")]
    encoder: Annotated[
        EncoderChoice, Option("Encoder: ffmpeg, or browser (faster, H.264 only, lower quality)", "ffmpeg")
    ]
    format: Annotated[str | None, Option("Output format, such as mp4, webm, gif or png", unset="by the file name")]
    webhook: Annotated[str | None, Option("URL that receives the events of the job as POST requests: docs/jobs.md")]
    inject: Annotated[
        str | None,
        Option("Failures to inject, for testing, such as kill=0.1,slow=4x@0.05,throttle=0.2,corrupt=0.02,store=0.1"),
    ]
    stitch: Annotated[
        StitchChoice, Option("Where segments are joined: local (this machine), or remote (a cloud worker)", "local")
    ]
    audio: Annotated[
        Sequence[str] | None,
        Option("Audio tracks, such as music.mp3@2.5,volume=0.6,fade-in=1,loop (times in seconds); several are mixed"),
    ]
    audio_codec: Annotated[AudioCodec | None, Option("Audio codec: aac, opus or pcm", unset="by the output format")]
    loudness: Annotated[
        float | None, Option("Integrated loudness in LUFS, -70 to -5 (EBU R128)", unset="as in the tracks")
    ]
    hls: Annotated[
        str | PathLike[str] | None, Option("Folder for an HLS stream that plays finished chunks during the render")
    ]
    metadata: Annotated[Mapping[str, str] | None, Option('Metadata of the file, such as {"title": "Hello"}')]
    chapters: Annotated[str | PathLike[str] | None, Option("File of chapters: a line such as 1:02.500 Title for each")]
    subtitles: Annotated[
        Sequence[str] | None,
        Option("Subtitles (.srt, .vtt), such as video.srt,language=en, or video.srt,burn to draw them into the frames"),
    ]


def complete(options: CompositionOptions) -> RenderOptions:
    """``options`` with the defaults of all others."""
    return cast(
        "RenderOptions",
        {name: option.default for name, (_, option) in declared_options(RenderOptions).items()} | {**options},
    )


def option_help(name: str) -> str:
    """One sentence about an option of ``RenderOptions``: meaning, unit and default."""
    return declared_options(RenderOptions)[name][1].help


def make_request(
    source: str | PathLike[str], options: RenderOptions, form: Format, *, fleet: bool = False
) -> RenderRequest:
    """The request to render ``source`` with complete ``options`` as ``form``; ``fleet``: remote workers render it.

    Raises:
        UsageError: there is no such page, or an option is out of range.
    """
    fps = options["fps"]
    declared = Declared(
        width=options["width"],
        height=options["height"],
        fps=None if fps is None else parse_rate(fps),
        duration=options["duration"],
        frames=options["frames"],
    )
    encoding = Encoding(
        encoder=options["encoder"],
        codec=form.encoder(options["codec"], alpha=options["alpha"]),
        crf=options["crf"],
        preset=options["preset"],
        pixel_format=options["pixel_format"],
        preview=options["preview"],
    )
    return RenderRequest(
        source=Source.parse(str(source)),
        declared=declared,
        encoding=encoding,
        props=options["props"],
        frame_range=options["frame_range"],
        workers=options["workers"],
        chunk_frames=options["chunk_frames"],
        capture=options["capture"],
        ready_timeout=options["ready_timeout"],
        network=options["network"],
        alpha=options["alpha"],
        early=options["hls"] is not None,
        fleet=fleet,
    )


def check_text(options: Mapping[str, object]) -> None:
    """Checks that all texts in ``options`` are valid Unicode.

    Raises:
        UsageError: one has half a surrogate pair, or comes from bytes that are not UTF-8.
    """
    for name, value in options.items():
        for text in _texts(value):
            try:
                text.encode()
            except UnicodeEncodeError as error:
                shown = ascii(text[max(0, error.start - 10) : error.end + 10])
                raise UsageError(f"{name} is not valid Unicode near {shown}: it can't be written in UTF-8") from None


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, PathLike):
        yield str(value)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, Mapping):
        for key, each in cast("Mapping[object, object]", value).items():
            yield from _texts(key)
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in cast("Sequence[object]", value):
            yield from _texts(each)


def has_fixed_chunks(options: RenderOptions) -> bool:
    """Whether ``options`` set the number of workers or the length of chunks."""
    return options["workers"] is not None or options["chunk_frames"] is not None


def check_rate(form: Format, fps: Fraction) -> None:
    """Checks that files of the format ``form`` support the rate ``fps`` (frames per second).

    Raises:
        UsageError: the rate is too high for them.
    """
    if form.max_fps and fps > form.max_fps:
        raise UsageError(f"{form.suffix} output needs --fps {form.max_fps} or less, not {float(fps):g}")
