"""Tracks: what is heard, when, and how loud."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from helios.errors import UsageError

AudioCodec = Literal["aac", "opus", "pcm"]

_FITTING: dict[str, tuple[AudioCodec, ...]] = {
    ".mp4": ("aac", "opus"),
    ".m4v": ("aac",),
    ".mov": ("aac", "pcm"),
    ".mkv": ("opus", "pcm"),  # its times are whole milliseconds, with which AAC would begin too late
    ".webm": ("opus",),
    ".ts": ("aac",),
}
"""What each container carries, the usual one first."""
_SETTINGS = frozenset(("volume", "fade_in", "fade_out", "offset", "length", "rate", "loop", "source", "start"))
_FORM = "FILE[@SECONDS][,volume=0.6][,fade-in=1][,fade-out=2][,offset=5][,length=10][,rate=1.5][,loop]"


SLOWEST, FASTEST = 0.1, 10.0


class Track(BaseModel):
    """A source of sound in a video. Times are seconds.

    It begins at ``start`` of the video with what the source has at ``offset``, and lasts for ``length``, or as long as
    the source and the video; a ``loop`` begins anew when the source ends. ``volume`` is a factor, ``rate`` is how much
    faster than recorded it is played, at the same pitch. ``fade_in`` and ``fade_out`` are linear, and so is the
    ``envelope`` between its points, which are seconds from ``start`` and factors.

    With a ``period``, a loop repeats all of the source, each time for as many of its seconds. ``found`` is for what was
    not given but found in a page: it leads to no other file, and what is wrong with it is no error.
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
    """All that is heard in a video. ``loudness`` is what the whole is brought to (LUFS, EBU R128)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tracks: tuple[Track, ...]
    codec: AudioCodec = "aac"
    loudness: float | None = Field(default=None, ge=-70, le=-5)

    def from_folder(self, folder: Path) -> AudioSettings:
        """The same, whose files are taken from ``folder``."""
        tracks = (
            track if is_address(track.source) else track.model_copy(update={"source": str(folder / track.source)})
            for track in self.tracks
        )
        return self.model_copy(update={"tracks": tuple(tracks)})


def parse_track(text: str) -> Track:
    """The track that ``music.mp3@2.5,volume=0.6,fade-in=1,loop`` describes.

    Raises:
        UsageError: it is none.
    """
    source, *settings = text.split(",")
    while settings and not _is_setting(settings[0]):
        source = f"{source},{settings.pop(0)}"  # a comma of the file's name
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
        raise UsageError(f"--audio {text}: {where}: {first['msg']}. It is {_FORM}") from None


def check_track(track: Track) -> Track:
    """The same track, its file with its full path, once it is sure that there is sound in it.

    Raises:
        UsageError: there is no such file, or no sound in it, or it can't be read.
    """
    from helios.audio.source import open_source  # here, for numpy takes a while, and most videos are silent

    if not is_address(track.source):
        path = Path(track.source).expanduser().absolute()
        track = track.model_copy(update={"source": str(path)})
    with open_source(track.source, plain=track.found) as source:
        next(source.blocks(), None)
    return track


def is_address(source: str) -> bool:
    """Whether a source is no file's path."""
    return "://" in source or source.startswith("data:")


def supports_audio(container: str) -> bool:
    """Whether such a file, by its ending, can hold sound."""
    return container in _FITTING


def choose_audio_codec(suffix: str, wanted: AudioCodec | None) -> AudioCodec:
    """How sound is coded in a container, by its ending.

    Raises:
        UsageError: it can't hold what is wanted.
    """
    if wanted not in (None, *get_args(AudioCodec)):
        raise UsageError(f"an audio codec is one of {', '.join(get_args(AudioCodec))}, not {wanted!r}")
    fitting = _FITTING.get(suffix)
    if fitting is None:
        raise UsageError(f"{suffix} files have no sound: leave --audio out")
    if wanted and wanted not in fitting:
        raise UsageError(f"{suffix} can't hold sound in {wanted}: it takes {', '.join(fitting)}")
    return wanted or fitting[0]


def _is_setting(text: str) -> bool:
    key, equals, _ = text.partition("=")
    return text.strip() == "loop" or (bool(equals) and key.strip().replace("-", "_") in _SETTINGS)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
