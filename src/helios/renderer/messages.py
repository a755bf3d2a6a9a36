"""The messages between the orchestrator, which plans a video, and the renderer, which draws a part of it."""

from __future__ import annotations

import os
import zlib
from base64 import b64decode, b64encode
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from helios.composition import ENCODERS, Composition, Declared, PageSettings, Source
from helios.errors import (
    BrowserError,
    CaptureBroken,
    CaptureUnsafe,
    HeliosError,
    MissingTool,
    OutputError,
    PageError,
    UsageError,
    WorkerRefused,
)

VERSION = 1

CaptureMethod = Literal["canvas", "stage", "begin-frame", "screenshot"]
"""How frames are captured: ``canvas`` reads the pixels of the page's own canvas where only that is visible, ``stage``
those of a canvas that the page is drawn into; ``begin-frame`` takes a PNG of each frame under begin-frame control,
``screenshot`` one without it. The first two are fast, the others faithful."""
FAST: frozenset[CaptureMethod] = frozenset({"canvas", "stage"})

CaptureChoice = Literal["auto", "fast", "faithful"]
"""The capture methods that a caller allows: ``auto`` leaves the choice to the probe."""

EncoderChoice = Literal["ffmpeg", "browser"]
"""The encoder: ffmpeg's libraries in the renderer's process, or WebCodecs in the browser."""

Motion = Literal["seek", "jump", "step"]
"""How a page gets to a frame: ``seek`` if it can seek, ``jump`` if it only has declared animations, else ``step``,
through all frames before."""


EXIT_CODES: dict[type[HeliosError], int] = {
    UsageError: os.EX_USAGE,
    PageError: os.EX_DATAERR,
    MissingTool: os.EX_UNAVAILABLE,
    OutputError: os.EX_CANTCREAT,
    CaptureBroken: os.EX_SOFTWARE,
    CaptureUnsafe: os.EX_CONFIG,
    BrowserError: os.EX_TEMPFAIL,
    WorkerRefused: os.EX_NOPERM,
}
"""The exit code of the renderer's process for each class of error (sysexits.h); the first class that fits counts."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    version: Literal[1] = VERSION


_IN_MP4 = frozenset({"libx264", "libx265", "libvpx-vp9", "libsvtav1", "libaom-av1", "mpeg4"})


class Encoding(_Message):
    """How frames become a segment.

    ``codec`` is the name of an ffmpeg encoder, or h264, h265, vp9, av1 or prores; each has defaults for ``crf``,
    ``preset`` and ``pixel_format``. With ``encoder`` browser the browser encodes H.264, at a bitrate computed from
    ``crf``. A ``preview`` has half the width and height, and the fastest settings.
    """

    encoder: EncoderChoice = "ffmpeg"

    codec: Annotated[str, AfterValidator(lambda name: ENCODERS.get(name, name))] = "libx264"
    crf: float | None = None
    preset: str | None = None
    pixel_format: str | None = None
    preview: bool = False

    def suffix(self, *, alpha: bool) -> str:
        """Returns the suffix of a segment's file name: the container that stores the codec with exact times.

        No container does so for VP9 with transparency: WebM counts milliseconds, so its frames have the video's times.
        """
        if alpha and self.codec == "libvpx-vp9":
            return ".webm"
        return ".mp4" if self.codec in _IN_MP4 else ".mov"


class ProbeSpec(_Message):
    """Requests a page's composition, its capture method, and a check of ``encoding``.

    With ``capture`` auto, the probe draws frames both fast and faithfully and compares them; with fast, only fast.

    ``declared`` overrides what the page declares; ``fallback`` fills in the rest. With ``listen``, the probe reports
    the page's audio.
    """

    source: Source
    declared: Declared
    fallback: Declared = Declared()
    encoding: Encoding | None = None
    capture: CaptureChoice = "faithful"
    page: PageSettings = PageSettings()
    listen: bool = False


class AudioClip(_Message):
    """The audio of an ``<audio>`` or ``<video>`` element of the page, from a play to the next pause. Times in seconds.

    ``source`` is the path of a file in the page's folder if ``inside``, or else an address; ``video`` is whether the
    element is a ``<video>``. The clip starts at ``start`` of the video, with the source's ``offset``, at ``rate`` times
    its speed, and lasts for ``length``, or to the end of the source. A ``loop`` repeats the source's first ``period``
    seconds, where that is known. ``volume`` holds (time from the clip's start, factor), linear between.
    """

    source: str
    inside: bool
    video: bool
    start: float = Field(ge=0, allow_inf_nan=False)
    offset: float = Field(ge=0, allow_inf_nan=False)
    length: float | None = Field(gt=0, allow_inf_nan=False)
    rate: float
    loop: bool
    period: float | None = Field(gt=0, allow_inf_nan=False)
    volume: tuple[tuple[float, float], ...]

    @classmethod
    def from_clock(cls, origin: str, url: str, **fields: Any) -> AudioClip:
        """Returns a clip as the page's clock reports it; ``origin`` is that of the page's folder."""
        inside = url.startswith(f"{origin}/")
        path = unquote(urlsplit(url).path).lstrip("/")
        return cls.model_validate({"source": path if inside else url, "inside": inside, **fields})


class Comparison(_Message):
    """A comparison of fast with faithful capture, on ``frames``.

    ``difference`` is the largest between the means of any block of 16 x 16 pixels, of 255; up to ``threshold``, the
    frames agree. ``reason`` is why they differ, or why they could not be compared.
    """

    frames: tuple[int, ...]
    difference: int | None
    threshold: int
    reason: str | None

    @property
    def agree(self) -> bool:
        """Whether fast capture may be used."""
        return self.reason is None


class Costs(_Message):
    """The cost of a fast frame: milliseconds of the page's thread to draw it, and of a processor to encode it."""

    draw_ms: float
    encode_ms: float


class Probe(_Message):
    """The composition, and how to draw it. ``browser`` is its name and version, ``renderer`` is from identity.py.

    ``faithful`` is the method to go back to where the stage proves unsafe later. ``audio_clips`` is what the
    page plays, if ``listen`` was set.
    """

    composition: Composition
    capture: CaptureMethod
    motion: Motion
    browser: str
    renderer: str
    warnings: tuple[str, ...]
    faithful: CaptureMethod = "begin-frame"
    comparison: Comparison | None = None
    costs: Costs | None = None
    audio_clips: tuple[AudioClip, ...] = ()


class ChunkSpec(_Message):
    """Frames ``start`` to ``stop`` (not included) of a composition, to be drawn into one segment.

    An encoder's output may depend on ``encoder_threads``: all chunks of a video have the same number. With ``seam`` the
    frame ``stop`` is drawn too, and reported, so that it can be compared with the next chunk's first. ``browser`` and
    ``renderer`` are those of the plan: any other refuses the chunk.
    """

    composition: Composition
    start: int = Field(ge=0)
    stop: int = Field(gt=0)
    encoding: Encoding
    encoder_threads: int = Field(default=1, ge=1)
    capture: CaptureMethod
    motion: Motion
    browser: str | None = None
    renderer: str | None = None
    seam: bool = False

    @model_validator(mode="after")
    def _within(self) -> ChunkSpec:
        if not self.start < self.stop <= self.composition.frames - self.seam:
            raise ValueError(f"frames {self.start}:{self.stop} are empty or outside of the composition")
        return self


class BatchItem(BaseModel):
    """One video of several: the ``props`` of its page, and the name of its segment."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    name: str = Field(pattern=r"^\w[\w.-]*$")
    props: Any = None


class BatchSpec(_Message):
    """Whole videos of one page, each with props of its own, to be drawn one after another in one browser.

    ``declared`` overrides the size and length that each page declares; ``size`` is the expected one. After ``seconds``,
    the renderer starts no further video. ``page`` has no props. The rest is as in ``ChunkSpec``.
    """

    source: Source
    declared: Declared
    page: PageSettings
    videos: tuple[BatchItem, ...] = Field(min_length=1)
    size: tuple[int, int]
    seconds: float
    encoding: Encoding
    encoder_threads: int = Field(default=1, ge=1)
    capture: CaptureMethod
    browser: str | None = None
    renderer: str | None = None


class StillSpec(_Message):
    """One frame of a composition, to be drawn into a PNG."""

    composition: Composition
    frame: int = Field(ge=0)
    capture: CaptureMethod
    motion: Motion


class FrameFingerprint(_Message):
    """A frame as it can be compared: the hash of its pixels, and the means of its blocks (frame_diff.py).

    ``means`` is packed by zlib, in base64; it is empty where a frame repeats the one before.
    """

    hash: str
    means: str = ""

    @classmethod
    def create(cls, digest: str, means: bytes) -> FrameFingerprint:
        """Returns the fingerprint of a frame with the means of its blocks."""
        return cls(hash=digest, means=b64encode(zlib.compress(means)).decode())

    def block_means(self) -> bytes:
        """Returns the means of its blocks; empty for a repeated frame."""
        return zlib.decompress(b64decode(self.means)) if self.means else b""


Stamp = tuple[int, int]
"""A file's size and the time of its last change (nanoseconds since 1970)."""


class ChunkReport(_Message):
    """The result of a chunk: its frames' hashes (XXH3-128 of the RGB pixels, in order) and the page's warnings.

    ``first`` is its first frame and ``next_frame`` the one after its last, if requested. ``ready_ms`` is the time
    from the start of the browser to the first image; ``repeated`` counts frames that had no damage and cost no
    image of their own. ``used`` are the files of its folder that the page has asked for, None where there was none;
    ``uses_external_resources`` is whether it has also requested anything else, or may have.
    """

    start: int
    stop: int
    hashes: tuple[str, ...]
    first: FrameFingerprint
    next_frame: FrameFingerprint | None
    repeated: int
    ready_ms: float
    draw_ms: float
    warnings: tuple[str, ...]
    used: dict[str, Stamp | None]
    uses_external_resources: bool


class VideoFailure(_Message):
    """The error because of which a video was not drawn: its code (``helios.errors``) and message."""

    code: str
    message: str


class VideoOutcome(_Message):
    """The result of one video of several: its report, or its failure."""

    report: ChunkReport | None = None
    failure: VideoFailure | None = None
