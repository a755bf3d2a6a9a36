"""Reads the format and the frame times of segments."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from helios.errors import StitchError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream


@dataclass(frozen=True, slots=True)
class Format:
    """The properties that segments must share to be joined by copying their streams."""

    codec: str
    width: int
    height: int
    pixel_format: str
    time_base: Fraction
    setup: bytes
    """The decoder's set-up (for H.264: SPS and PPS), byte for byte."""

    def difference(self, other: Format) -> str | None:
        """Describes how ``other`` differs from this format; None if they are equal."""
        if self.codec != other.codec:
            return f"its codec is {other.codec}, not {self.codec}"
        if (self.width, self.height) != (other.width, other.height):
            return f"its size is {other.width}x{other.height}, not {self.width}x{self.height}"
        if self.pixel_format != other.pixel_format:
            return f"its pixel format is {other.pixel_format}, not {self.pixel_format}"
        if self.time_base != other.time_base:
            return f"its time base is {other.time_base}, not {self.time_base}"
        if self.setup != other.setup:
            return f"it was encoded with other settings (its {self.codec} set-up differs)"
        return None


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment's video: its format, the times of its frames in order, and how long it lasts, in seconds.

    ``delay`` is the time (s) between decoding and showing the first frame: room for reordered frames.
    """

    path: Path
    format: Format
    times: tuple[Fraction, ...]
    duration: Fraction
    delay: Fraction


@dataclass(frozen=True, slots=True)
class Span:
    """The start and end of a stream, in seconds from the start of the video, if there is one."""

    start: Fraction
    end: Fraction


def read_audio(path: Path) -> Span:
    """Reads when a file's audio starts and ends.

    Raises:
        StitchError: the file has no audio, or can't be read.
    """
    import av
    from av.error import FFmpegError

    starts: dict[str, Fraction] = {}
    end = Fraction(0)
    try:
        with av.open(str(path.absolute())) as container:
            for packet in container.demux():
                if packet.pts is None:
                    continue
                kind, time = packet.stream.type, packet.pts * packet.time_base
                starts[kind] = min(starts.get(kind, time), time)
                if kind == "audio":
                    end = max(end, time + (packet.duration or 0) * packet.time_base)
    except (OSError, ValueError, FFmpegError) as error:
        raise StitchError(f"{path} can't be read: {error}") from error
    if "audio" not in starts:
        raise StitchError(f"{path} has no audio")
    zero = starts.get("video", Fraction(0))
    return Span(starts["audio"] - zero, end - zero)


FORMATS = "mov,matroska,webm,ogg,avi,mpegts,mpeg,flv"
"""Formats that contain their frames: playlists and the like would make ffmpeg read other files or addresses."""
READING = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}


def read_segment(path: Path) -> Segment:
    """Reads a segment's video stream from end to end, without decoding it.

    Raises:
        StitchError: the file is missing, can't be read to its end, or has no video.
    """
    import av  # here: the import takes a while, and frames can be rendered meanwhile
    from av.error import FFmpegError

    if not path.is_file():
        raise StitchError(f"{path} is missing")
    try:
        with av.open(str(path.absolute()), options=READING) as container:
            if not container.streams.video:
                raise StitchError(f"{path} has no video")
            return _read(path, container, container.streams.video[0])
    except (OSError, ValueError, FFmpegError) as error:
        raise StitchError(f"{path} can't be read: {error}") from error


def _read(path: Path, container: InputContainer, stream: VideoStream) -> Segment:
    times: list[int] = []
    base = stream.time_base
    if base is None:
        raise StitchError(f"{path} has no time base")
    first: int | None = None
    end = 0
    for packet in container.demux(stream):
        if packet.pts is None:
            continue  # the flush packet at the end
        if packet.is_corrupt:
            raise StitchError(f"{path} is broken at {float(packet.pts * base):.3f} s")
        times.append(packet.pts)
        first = packet.dts if first is None else first
        end = max(end, packet.pts + (packet.duration or 0))
    if not times:
        raise StitchError(f"{path} has no frames")
    if stream.frames and stream.frames != len(times):
        raise StitchError(f"{path} is cut short: it has {len(times)} of its {stream.frames} frames")
    context = stream.codec_context
    kind = Format(context.name, context.width, context.height, str(context.pix_fmt), base, context.extradata or b"")
    times.sort()
    delay = 0 if first is None else times[0] - first
    return Segment(path, kind, tuple(time * base for time in times), (end - times[0]) * base, delay * base)
