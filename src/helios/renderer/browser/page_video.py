"""Videos in a page's folder: their frame times for the page, and their decoded frames."""

from __future__ import annotations

import contextlib
import math
import threading
from bisect import bisect_right
from collections.abc import Generator, Iterator
from fractions import Fraction
from functools import cached_property, lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

PATH = "/.helios/video/"
"""The server answers requests for videos and their frames below this path."""
_FORMATS = ("mov", "matroska", "webm", "ogg", "avi", "mpegts", "mpeg", "flv")
"""Formats that contain their frames. Playlists open other files, and pages are not trusted."""
_HD = 720  # lines from which Chromium assumes BT.709 instead of BT.601 for untagged colours
_UNSPECIFIED = 2  # ITU-T H.273
_OPEN = 12
_READERS = 4
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders with transparency, which ffmpeg's own lack."""


class PageVideo:
    """A video file. ``times`` are the start times of its frames, ``duration`` is the end of the last and ``tick`` the
    unit that they are multiples of, in seconds from the start of the video. ``size`` is its display size (pixels):
    after rotation, with square pixels. ``audio`` is whether it has an audio stream.
    """

    def __init__(self, path: Path) -> None:
        """Reads the video's index.

        Raises:
            ValueError, OSError: it is not a video.
        """
        self._path = path
        self._lock = threading.Lock()
        reader = _Reader(path)
        self._readers = [reader]
        self._pts, self._decoded = reader.index()
        self._keys = list(self._decoded)
        self.tick, self.times, self.duration = reader.to_seconds(self._pts)
        self.audio = reader.audio
        reader.start_at(self._decoded[self._keys[0]])
        first = reader.frame(self._pts[0])
        self._turns = round(first.rotation / 90) % 4
        width = round(first.width * reader.pixel_aspect)
        self.size = (first.height, width) if self._turns % 2 else (width, first.height)

    def image(self, number: int) -> bytes:
        """Returns the frame of that number, as a PNG.

        Raises:
            IndexError: there is no such frame.
            ValueError, OSError: it can't be decoded.
        """
        pts = self._pts[number]
        key = self._keys[max(0, bisect_right(self._keys, pts) - 1)]
        with self._lock:
            frame = self._reader(key, min(key, self._pts[max(0, number - 1)]), pts).frame(pts)
        return self._png(frame)

    def _reader(self, key: int, earliest: int, pts: int) -> _Reader:
        """Returns a reader positioned between ``earliest`` and ``pts``, or one that is moved to ``key``.

        A page may show a video in several places, each at another time.
        """
        near = [reader for reader in self._readers if earliest <= reader.at <= pts]
        if near:
            reader = max(near, key=lambda reader: reader.at)
        else:
            reader = _Reader(self._path) if len(self._readers) < _READERS else self._readers[0]
            reader.start_at(self._decoded[key])
        self._readers = [*(other for other in self._readers if other is not reader), reader]  # the last used last
        return reader

    def _png(self, frame: VideoFrame) -> bytes:
        import av
        from av.codec.context import CodecContext
        from av.video.reformatter import Colorspace, VideoReformatter

        wanted = "rgba" if any(component.is_alpha for component in frame.format.components) else "rgb24"
        tagged = frame.colorspace if frame.colorspace != _UNSPECIFIED else None
        guessed = Colorspace.ITU709 if self.size[1] >= _HD else Colorspace.ITU601
        turned = self._turns % 2
        width, height = (self.size[1], self.size[0]) if turned else self.size
        image = VideoReformatter().reformat(
            frame, width, height, wanted, src_colorspace=tagged or guessed, src_color_range=frame.color_range or None
        )
        if self._turns:
            import numpy as np

            upright = np.rot90(image.to_ndarray().astype(np.uint8, copy=False), self._turns)
            image = av.VideoFrame.from_ndarray(np.ascontiguousarray(upright), wanted)
        image.color_primaries = image.color_trc = image.colorspace = _UNSPECIFIED  # browsers would apply it
        context = CodecContext.create("png", "w")
        context.width, context.height, context.pix_fmt = image.width, image.height, wanted
        context.time_base = Fraction(1)
        context.options = {"compression_level": "0", "pred": "none"}
        image.pts = 0
        packets = cast("list[Packet[VideoStream]]", [*context.encode(image), *context.encode(None)])
        return b"".join(map(bytes, packets))

    @cached_property
    def placeholder(self) -> bytes:
        """A black WebM video of the same size and length, which any browser can play."""
        import av
        from av.video.frame import VideoFrame
        from av.video.stream import VideoStream

        file = BytesIO()
        with av.open(file, "w", format="webm") as container:
            stream = container.add_stream("libvpx", rate=1)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height = self.size
            stream.pix_fmt = "yuv420p"
            stream.options = {"deadline": "realtime", "cpu-used": "8"}
            stream.time_base = Fraction(1, 1000)
            frame = VideoFrame(*self.size, "yuv420p")
            for plane, value in zip(frame.planes, (16, 128, 128), strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            frame.pts, frame.time_base = 0, stream.time_base
            (packet,) = cast("list[Packet[VideoStream]]", [*stream.encode(frame), *stream.encode(None)])
            packet.duration = round(self.duration * 1000)
            container.mux(packet)
        return file.getvalue()


class _Reader:
    """Decodes a video's frames in order, from any position. Times are in the video's own ticks."""

    def __init__(self, path: Path) -> None:
        self._container, self._stream = _open(path)
        self._base = self._stream.time_base or Fraction(1)
        self.pixel_aspect = self._stream.sample_aspect_ratio or 1
        self.audio = bool(self._container.streams.audio)
        self._frames: Iterator[VideoFrame] = iter(())
        self._now: VideoFrame | None = None

    @property
    def at(self) -> float:
        """The time of the current frame."""
        return -math.inf if self._now is None or self._now.pts is None else self._now.pts

    def index(self) -> tuple[list[int], dict[int, int]]:
        """Returns the times of frames, and the decoding times of key frames by their times; in order."""
        shown: set[int] = set()
        keys: dict[int, int] = {}
        for packet in self._container.demux(self._stream):
            if packet.pts is None or packet.is_discard:
                continue
            shown.add(packet.pts)
            if packet.is_keyframe:
                keys[packet.pts] = packet.pts if packet.dts is None else packet.dts
        if not keys:
            raise ValueError("there is no frame in it")
        return sorted(pts for pts in shown if pts >= min(keys)), dict(sorted(keys.items()))

    def to_seconds(self, pts: list[int]) -> tuple[float, tuple[float, ...], float]:
        """Returns a tick, the start times of frames, and the end of the video (s)."""
        start = Fraction(self._container.start_time or 0, 1_000_000)
        times = tuple(max(0.0, float(at * self._base - start)) for at in pts)
        lengths = [
            float(stream.duration * stream.time_base)
            for stream in (*self._container.streams.video, *self._container.streams.audio)
            if stream.duration and stream.time_base
        ]
        declared = max(lengths, default=(self._container.duration or 0) / 1_000_000)
        end = declared if declared > times[-1] else times[-1] + float(1 / (self._stream.average_rate or 30))
        return float(self._base), times, end

    def start_at(self, decoded: int) -> None:
        """Moves to before the frame with that decoding time."""
        self._container.seek(decoded, stream=self._stream)
        self._frames, self._now = self._decoded(), None

    def frame(self, pts: int) -> VideoFrame:
        """Returns the frame at ``pts``, which must be ahead; if it is broken, the one before, or the next.

        Raises:
            ValueError, OSError: no frame can be decoded.
        """
        while self.at < pts:
            found = next(self._frames, None)
            if found is None:
                break
            self._now = found
        if self._now is None:
            raise ValueError("no frame of it can be decoded")
        return self._now

    def _decoded(self) -> Generator[VideoFrame]:
        from av.codec.context import CodecContext
        from av.error import InvalidDataError

        context = self._stream.codec_context
        tags = {name.lower(): value for name, value in self._stream.metadata.items()}  # ffmpeg writes them in capitals
        if tags.get("alpha_mode") == "1" and (name := _WITH_ALPHA.get(context.name)):
            context = cast("VideoCodecContext", CodecContext.create(name, "r"))
        for packet in self._container.demux(self._stream):
            with contextlib.suppress(InvalidDataError):  # as players do
                yield from context.decode(packet if packet.size else None)


@lru_cache(maxsize=_OPEN)
def open_page_video(path: Path, changed: int) -> PageVideo | str:
    """Returns the video at ``path``, last ``changed`` at that time (ns since 1970), or why it can't be read.

    The last few stay open.
    """
    try:
        return PageVideo(path)
    except (ValueError, OSError) as error:
        return str(getattr(error, "strerror", None) or error)


def _open(path: Path) -> tuple[InputContainer, VideoStream]:
    import av

    only = {"format_whitelist": ",".join(_FORMATS), "protocol_whitelist": "file"}
    container = av.open(str(path), options=only)
    stream = next((stream for stream in container.streams.video if not _is_cover(stream)), None)
    if stream is None:
        raise ValueError("there is no image in it")
    stream.thread_count = 1  # there are as many renderers as cores
    return container, stream


def _is_cover(stream: VideoStream) -> bool:
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)
