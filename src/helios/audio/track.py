"""Audio tracks, and the audio codecs of containers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from helios.errors import UsageError

AudioCodec = Literal["aac", "opus", "pcm"]

_CODECS: dict[str, tuple[AudioCodec, ...]] = {
    ".mp4": ("aac", "opus"),
    ".m4v": ("aac",),
    ".mov": ("aac", "pcm"),
    ".mkv": ("opus", "pcm"),  # its times are whole milliseconds, so AAC would start too late
    ".webm": ("opus",),
    ".ts": ("aac",),
}
"""The audio codecs that each container can hold, the default first."""
_SETTINGS = frozenset(("volume", "fade_in", "fade_out", "offset", "length", "rate", "loop", "source", "start"))
_FORM = "FILE[@SECONDS][,volume=0.6][,fade-in=1][,fade-out=2][,offset=5][,length=10][,rate=1.5][,loop]"


SLOWEST, FASTEST = 0.1, 10.0


class Track(BaseModel):
    """An audio source in a video. Times are seconds.

    The track starts at ``start`` of the video and at ``offset`` of the source. It plays for ``length``, or until the
    source or the video ends; a ``loop`` starts again when the source ends. ``volume`` is a factor. ``rate`` is the
    playback speed, at the same pitch. ``fade_in`` and ``fade_out`` are linear, and so is the ``envelope`` between its
    points, which are pairs of seconds from ``start`` and a factor.

    With a ``period``, a loop repeats the whole source, each time for this many of its seconds. ``found`` marks a track
    that a page plays: its source can't refer to other files, and a fault in it is a warning, not an error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    start: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    offset: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    length: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    volume: float = Field(default=1.0, ge=0, le=100)
    rate: float = Field(default=1.0, ge=SLOWEST, le=FASTEST)
    fade_in: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    fade_out: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    loop: bool = False
    envelope: tuple[tuple[float, float], ...] = ()
    period: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    found: bool = False


class AudioSettings(BaseModel):
    """The audio of a video. ``loudness`` is the target for the whole mix (LUFS, EBU R128); None leaves it unchanged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tracks: tuple[Track, ...]
    codec: AudioCodec = "aac"
    loudness: float | None = Field(default=None, ge=-70, le=-5)

    def from_folder(self, folder: Path) -> AudioSettings:
        """Returns the settings with relative file paths resolved against ``folder``."""
        tracks = (
            track if is_address(track.source) else track.model_copy(update={"source": str(folder / track.source)})
            for track in self.tracks
        )
        return self.model_copy(update={"tracks": tuple(tracks)})


def parse_track(text: str) -> Track:
    """Parses a track such as ``music.mp3@2.5,volume=0.6,fade-in=1,loop``.

    Raises:
        UsageError: a setting is unknown or out of range.
    """
    source, *settings = text.split(",")
    while settings and not _is_setting(settings[0]):
        source = f"{source},{settings.pop(0)}"  # the comma is part of the file's name
    name, at, start = source.rpartition("@")
    values: dict[str, str | bool] = {"source": source}
    if at and _is_number(start):
        values = {"source": name, "start": start}
    for setting in settings:
        key, _, value = setting.partition("=")
        values[key.strip().replace("-", "_")] = True if setting.strip() == "loop" else value
    try:
        return Track.model_validate(values)
    except ValidationError as error:
        (first, *_) = error.errors()
        where = str(first["loc"][0]).replace("_", "-")
        raise UsageError(f"--audio {text}: {where}: {first['msg']}. Syntax: {_FORM}") from None


def check_track(track: Track) -> Track:
    """Checks that the source has audio, and returns the track with the full path of its file.

    Raises:
        UsageError: the source is missing, has no audio, or can't be read.
    """
    from helios.audio.source import open_source  # here: importing numpy takes a while, and most videos have no audio

    if not is_address(track.source):
        path = Path(track.source).expanduser().absolute()
        track = track.model_copy(update={"source": str(path)})
    with open_source(track.source, self_contained=track.found) as source:
        next(source.blocks(), None)
    return track


def is_address(source: str) -> bool:
    """Whether a source is an address, not the path of a file."""
    return "://" in source or source.startswith("data:")


def supports_audio(suffix: str) -> bool:
    """Whether files with this suffix can hold audio."""
    return suffix in _CODECS


def choose_audio_codec(suffix: str, wanted: AudioCodec | None) -> AudioCodec:
    """Returns the audio codec for files with this suffix: ``wanted``, or their default.

    Raises:
        UsageError: the files can't hold audio, or not in this codec.
    """
    if wanted not in (None, *get_args(AudioCodec)):
        raise UsageError(f"the audio codec {wanted!r} is unknown: use {', '.join(get_args(AudioCodec))}")
    codecs = _CODECS.get(suffix)
    if codecs is None:
        raise UsageError(f"{suffix} files can't hold audio: drop --audio")
    if wanted and wanted not in codecs:
        raise UsageError(f"{suffix} files can't hold {wanted} audio: use {', '.join(codecs)}")
    return wanted or codecs[0]


def _is_setting(text: str) -> bool:
    key, equals, _ = text.partition("=")
    return text.strip() == "loop" or (bool(equals) and key.strip().replace("-", "_") in _SETTINGS)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
