"""What callers may say, and the request that it makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from os import PathLike
from typing import TypedDict, cast, get_args

from helios.adapters import Target, WorkerAdapter
from helios.audio import AudioCodec
from helios.composition import Declared, Format, Network, Source, parse_rate
from helios.errors import UsageError
from helios.orchestrator import RenderRequest
from helios.orchestrator.assemble import StitchChoice
from helios.renderer.messages import CaptureChoice, EncoderChoice, Encoding

AdapterChoice = str | Target | WorkerAdapter | Sequence[str | Target | WorkerAdapter]
"""Adapters by name (several with commas between), by their settings, or as objects."""


class CompositionOptions(TypedDict, total=False):
    """What a caller may say of a composition; what it does not say is left to the page.

    ``width`` and ``height`` are in pixels, ``duration`` and ``ready_timeout`` in seconds; ``fps`` is a number
    or text such as "30000/1001"; ``props`` is JSON for ``window.helios.props``; ``network`` is what the page may reach
    beside its own folder: "none", "public" or "all" (see docs/pages.md); with ``alpha`` it stands on nothing, not on
    white.
    """

    width: int | None
    height: int | None
    fps: str | float | Fraction | None
    duration: float | None
    frames: int | None
    props: object
    ready_timeout: float
    network: Network | None
    alpha: bool


class BatchOptions(CompositionOptions, total=False):
    """What a caller may say of a batch: see ``RenderOptions``. ``props`` are those that all videos share."""

    workers: int | None
    preview: bool
    codec: str | None
    crf: float | None
    preset: str | None
    pixel_format: str | None
    capture: CaptureChoice
    attempts: int
    store: str | None
    fresh: bool
    adapter: AdapterChoice
    function: str | None
    service: str | None


class RenderOptions(BatchOptions, total=False):
    """What a caller may say of a video.

    ``frame_range`` is "A:B" with B not included; ``workers`` None means as many as pay off here; ``chunk_frames``
    is the most frames that a chunk may have; ``format`` is "mp4", "gif" and so on, for an output whose ending says
    nothing; a ``preview`` is half as wide and high, and encoded in a hurry (docs/formats.md); ``encoder`` is
    "ffmpeg" or "browser" (faster, H.264 only); ``codec`` is h264, h265, vp9, av1, prores or an encoder of ffmpeg's;
    ``capture`` is "auto", "fast" or "faithful": see docs/performance.md. ``attempts`` is how often a chunk may be
    tried; ``store`` is the URL where chunks are kept, and ``fresh`` True takes none from there; ``webhook`` is an
    address that is told what becomes of the job; ``inject`` has things go wrong. See docs/jobs.md. ``adapter`` is
    "local", "aws", "gcp" or the name of an installed adapter, or several with commas between, which then draw from one
    queue; or a ``WorkerAdapter`` object, or a list (see docs/adapters.md). ``workers`` are then those of each cloud.
    With a cloud, ``function`` (AWS), ``service`` (Google: its address) and ``store`` (for two clouds: one of each,
    with a comma between) name what is deployed, if it is not what ``helios deploy`` has made,
    and ``stitch`` "remote" has a worker join the chunks. See docs/aws.md and docs/gcp.md.

    ``audio`` are tracks such as "music.mp3@2.5,volume=0.6,fade-in=1,loop"; ``audio_codec`` is "aac", "opus" or "pcm";
    ``loudness`` is what the whole is brought to (LUFS). See docs/audio.md. ``hls`` is a folder for a stream of what is
    finished, which can be played before the rest is.

    ``metadata`` is such as {"title": "Hello"}; ``chapters`` is a file of lines such as "1:02.500 Title"; ``subtitles``
    are such as "video.srt,language=en", or "video.srt,burn" to have them drawn. See docs/text.md.
    """

    frame_range: str | None
    chunk_frames: int | None
    encoder: EncoderChoice
    format: str | None
    webhook: str | None
    inject: str | None
    stitch: StitchChoice
    audio: Sequence[str]
    audio_codec: AudioCodec | None
    loudness: float | None
    hls: str | PathLike[str] | None
    metadata: Mapping[str, str] | None
    chapters: str | PathLike[str] | None
    subtitles: Sequence[str]


def make_request(
    source: str | PathLike[str], options: RenderOptions, form: Format, *, fleet: bool = False
) -> RenderRequest:
    """What is asked for by ``options``, as a file of that ``form``; ``fleet`` if remote workers render it.

    Raises:
        UsageError: there is no such page, or they can't be so.
    """
    fps = options.get("fps")
    declared = Declared(
        width=options.get("width"),
        height=options.get("height"),
        fps=None if fps is None else parse_rate(fps),
        duration=options.get("duration"),
        frames=options.get("frames"),
    )
    encoder = options.get("encoder", "ffmpeg")
    if encoder not in get_args(EncoderChoice):
        raise UsageError(f"encoder is ffmpeg or browser, not {encoder!r}")
    encoding = Encoding(
        encoder=encoder,
        codec=form.encoder(options.get("codec"), alpha=options.get("alpha", False)),
        crf=options.get("crf"),
        preset=options.get("preset"),
        pixel_format=options.get("pixel_format"),
        preview=options.get("preview", False),
    )
    return RenderRequest(
        source=Source.parse(str(source)),
        declared=declared,
        encoding=encoding,
        props=options.get("props"),
        frame_range=options.get("frame_range"),
        workers=options.get("workers"),
        chunk_frames=options.get("chunk_frames"),
        capture=options.get("capture", "auto"),
        ready_timeout=options.get("ready_timeout", 30.0),
        network=options.get("network"),
        alpha=options.get("alpha", False),
        early=options.get("hls") is not None,
        fleet=fleet,
    )


def check_text(options: Mapping[str, object]) -> None:
    """Makes sure that all texts in options can be written in UTF-8, as all that Helios passes on is.

    Raises:
        UsageError: one can't: it has half a surrogate pair, or comes of bytes that are no UTF-8.
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


def is_split_by_hand(options: RenderOptions) -> bool:
    """Whether the caller says in which parts a video is drawn."""
    return options.get("workers") is not None or options.get("chunk_frames") is not None


def check_rate(form: Format, fps: Fraction) -> None:
    """Makes sure that files of that ``form`` can say when frames of that rate begin.

    Raises:
        UsageError: they can't.
    """
    if form.max_fps and fps > form.max_fps:
        raise UsageError(f"{form.suffix} files have at most {form.max_fps} frames a second: --fps {form.max_fps}")
