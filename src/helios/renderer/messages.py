"""The messages between whoever plans a video and the renderer that draws a part of it."""

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
"""How images are taken: raw from the page's own canvas wherever that is all that can be seen; raw from a canvas
that the page is drawn into; as PNG of each frame under begin-frame control; or as screenshots where there is no such
control. The first two are fast, the others faithful."""
FAST: frozenset[CaptureMethod] = frozenset({"canvas", "stage"})

CaptureChoice = Literal["auto", "fast", "faithful"]
"""What a caller may ask for: the stage, one of the others, or whichever the probe finds fit."""

EncoderChoice = Literal["ffmpeg", "browser"]
"""Who encodes: ffmpeg's libraries in the renderer's process, or the browser beside its drawing."""

Motion = Literal["seek", "jump", "step"]
"""How a page gets to a frame: it can seek, it only has declared animations, or it must be stepped through."""


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
"""What the renderer's process ends with for each class of error (sysexits.h); of several that fit, the first counts."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    version: Literal[1] = VERSION


_IN_MP4 = frozenset({"libx264", "libx265", "libvpx-vp9", "libsvtav1", "libaom-av1", "mpeg4"})


class Encoding(_Message):
    """How frames become a segment.

    ``codec`` is an encoder of ffmpeg's, or h264, h265, vp9, av1 or prores; without ``crf``, ``preset`` or
    ``pixel_format`` the encoder's own good default is taken. ``encoder`` browser has the browser encode H.264, at a
    bitrate made of ``crf``. A ``preview`` is half as wide and high, and encoded in a hurry.
    """

    encoder: EncoderChoice = "ffmpeg"

    codec: Annotated[str, AfterValidator(lambda name: ENCODERS.get(name, name))] = "libx264"
    crf: float | None = None
    preset: str | None = None
    pixel_format: str | None = None
    preview: bool = False

    def suffix(self, *, alpha: bool) -> str:
        """The ending of a segment's file name: the container that carries the codec with exact times.

        None does so for VP9 with transparency. WebM counts milliseconds, so in it frames have their times in the video.
        """
        if alpha and self.codec == "libvpx-vp9":
            return ".webm"
        return ".mp4" if self.codec in _IN_MP4 else ".mov"


class ProbeSpec(_Message):
    """Asks what a page says of itself and how it can be captured, and whether ``encoding`` is possible.

    With ``capture`` auto, frames are drawn both ways and compared; with fast, they are only drawn fast.

    What ``declared`` says wins over the page; ``fallback`` is taken where neither says anything. With ``listen``, the
    answer tells what is heard of the page.
    """

    source: Source
    declared: Declared
    fallback: Declared = Declared()
    encoding: Encoding | None = None
    capture: CaptureChoice = "faithful"
    page: PageSettings = PageSettings()
    listen: bool = False


class AudioClip(_Message):
    """What is heard of an ``<audio>`` or ``<video>`` of the page when it plays once. Times are seconds.

    ``source`` is the path of a file in the page's folder if ``inside``, or else an address; ``video`` tells which of
    the two it was. It begins at ``start`` of the video with what the source has at ``offset``, ``rate`` times as fast,
    and lasts for ``length``, or as long as there is any. A ``loop`` begins anew after ``period``, which is of the
    source, where that is known. ``volume`` are times, from its start, and factors, linear between.
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
    def of(cls, origin: str, url: str, **told: Any) -> AudioClip:
        """As the clock tells it, where ``origin`` is that of the page's folder."""
        inside = url.startswith(f"{origin}/")
        path = unquote(urlsplit(url).path).lstrip("/")
        return cls.model_validate({"source": path if inside else url, "inside": inside, **told})


class Comparison(_Message):
    """How fast capture compares with faithful capture, on ``frames``.

    ``difference`` is the largest by which the mean of a block of 16 x 16 pixels differs in any of them, of 255; up to
    ``threshold`` they agree. ``reason`` says why they don't, or why nothing could be compared.
    """

    frames: tuple[int, ...]
    difference: int | None
    threshold: int
    reason: str | None

    @property
    def agree(self) -> bool:
        """Whether fast capture may be taken."""
        return self.reason is None


class Costs(_Message):
    """What a fast frame costs, in milliseconds: of the page's one thread, and of processors to encode it."""

    draw_ms: float
    encode_ms: float


class Probe(_Message):
    """What is to be drawn, and how. ``browser`` is the browser's name and version, ``renderer`` is identity.py's.

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

    What an encoder writes may depend on ``encoder_threads``: all chunks of a video have the same. With ``seam`` the
    frame ``stop`` is drawn too, and reported, so that it can be compared with the next chunk's first. ``browser`` and
    ``renderer`` are what the video was planned with: another one does not draw a part of it.
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
    """One video of several: what its page gets, and the name of the segment that it becomes."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    name: str = Field(pattern=r"^\w[\w.-]*$")
    props: Any = None


class BatchSpec(_Message):
    """Whole videos of one page, each with props of its own, to be drawn one after another in one browser.

    How long a video is, and how large, is told by its own page, under what is ``declared``; ``size`` is what most are
    expected to have. Once ``seconds`` have passed, no other is started. The rest is as in ``ChunkSpec``.
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
    def of(cls, digest: str, means: bytes) -> FrameFingerprint:
        """A frame with the means of its blocks."""
        return cls(hash=digest, means=b64encode(zlib.compress(means)).decode())

    def block_means(self) -> bytes:
        """The means of its blocks; of a repetition, nothing."""
        return zlib.decompress(b64decode(self.means)) if self.means else b""


Stamp = tuple[int, int]
"""A file's size and the time of its last change (nanoseconds since 1970)."""


class ChunkReport(_Message):
    """What came of a chunk: its frames' hashes (XXH3-128 of the RGB pixels, in order) and what the page said.

    ``first`` is its first frame and ``after`` the one after its last, if that was asked for. ``ready_ms`` is the time
    from the start of the browser to the first image; ``repeated`` counts frames that had no damage and cost no
    image of their own. ``used`` are the files of its folder that the page has asked for, None where there was none;
    ``foreign`` tells whether it has also asked for something of another place, or may have.
    """

    start: int
    stop: int
    hashes: tuple[str, ...]
    first: FrameFingerprint
    after: FrameFingerprint | None
    repeated: int
    ready_ms: float
    draw_ms: float
    warnings: tuple[str, ...]
    used: dict[str, Stamp | None]
    uses_external_resources: bool


class VideoFailure(_Message):
    """Why a video could not be drawn: the code of an error of ``helios.errors``, and what it says."""

    code: str
    message: str


class VideoOutcome(_Message):
    """What came of one video of several: its report, or why there is none."""

    report: ChunkReport | None = None
    failure: VideoFailure | None = None
