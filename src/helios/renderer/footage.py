"""Films of a page's folder: what the page has to know of them, and their frames, decoded one by one."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator
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

PATH = "/.helios/footage/"
"""Below it the server tells of the films of the folder, by their paths there."""
_HD = 720  # lines from which Chromium takes colours that nothing is said of for BT.709's, and not BT.601's
_UNSPECIFIED = 2  # ITU-T H.273
_OPEN = 12
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders that give the transparency which those of ffmpeg's own leave out."""


class Footage:
    """A film. ``times`` are when its frames begin, in order, ``duration`` is when the last one ends, and ``tick`` is
    what they are counted in: seconds from its beginning. ``size`` is how large it is shown: turned, with square pixels.
    """

    def __init__(self, path: Path) -> None:
        """Reads the film's index.

        Raises:
            ValueError, OSError: it is none.
        """
        self._path = path
        self._lock = threading.Lock()
        self._container, self._stream = _open(path)
        self._context: VideoCodecContext | None = None
        self._frames: Iterator[VideoFrame] = iter(())
        self._now: VideoFrame | None = None
        self._pts, self._keys = _index(self._container, self._stream)
        base = self._stream.time_base or Fraction(1)
        start = Fraction(self._container.start_time or 0, 1_000_000)
        self.tick = float(base)
        self.times = tuple(max(0.0, float(pts * base - start)) for pts in self._pts)
        self._start_at(self._pts[0])
        first = self._decoded(self._pts[0])
        self._turns = round(first.rotation / 90) % 4
        width = round(first.width * (self._stream.sample_aspect_ratio or 1))
        self.size = (first.height, width) if self._turns % 2 else (width, first.height)
        length = self._container.duration
        rate = self._stream.average_rate or 30
        self.duration = length / 1_000_000 if length else self.times[-1] + float(1 / rate)

    def picture(self, number: int) -> bytes:
        """The frame of that number, as a PNG.

        Raises:
            IndexError: there is no such frame.
            ValueError, OSError: it can't be decoded.
        """
        pts = self._pts[number]
        with self._lock:
            now = self._now.pts if self._now and self._now.pts is not None else None
            key = self._keys[max(0, bisect_right(self._keys, pts) - 1)]
            if now is None or pts < now or key > now:
                self._start_at(key)
            frame = self._decoded(pts)
        return self._png(frame)

    def _start_at(self, key: int) -> None:
        self._container.seek(key, stream=self._stream)
        self._frames, self._now = self._decode(), None

    def _decode(self) -> Iterator[VideoFrame]:
        if (name := _decoder(self._stream)) is None:
            yield from self._container.decode(self._stream)
            return
        from av.codec.context import CodecContext

        context = cast("VideoCodecContext", CodecContext.create(name, "r"))
        for packet in self._container.demux(self._stream):
            yield from context.decode(packet)

    def _decoded(self, pts: int) -> VideoFrame:
        """The frame that is shown at ``pts``; where it is broken, the one before, or the next."""
        while self._now is None or self._now.pts is None or self._now.pts < pts:
            found = next(self._frames, None)
            if found is None:
                break
            self._now = found
        if self._now is None:
            raise ValueError(f"{self._path.name} has no frame that can be decoded")
        return self._now

    def _png(self, frame: VideoFrame) -> bytes:
        import av
        from av.codec.context import CodecContext
        from av.video.reformatter import Colorspace, VideoReformatter

        wanted = "rgba" if any(component.is_alpha for component in frame.format.components) else "rgb24"
        told = frame.colorspace if frame.colorspace != _UNSPECIFIED else None
        guessed = Colorspace.ITU709 if self.size[1] >= _HD else Colorspace.ITU601
        turned = self._turns % 2
        width, height = (self.size[1], self.size[0]) if turned else self.size
        picture = VideoReformatter().reformat(
            frame, width, height, wanted, src_colorspace=told or guessed, src_color_range=frame.color_range or None
        )
        if self._turns:
            import numpy as np

            upright = np.rot90(picture.to_ndarray().astype(np.uint8, copy=False), self._turns)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(upright), wanted)
        picture.color_primaries = picture.color_trc = picture.colorspace = _UNSPECIFIED  # browsers would heed it
        context = CodecContext.create("png", "w")
        context.width, context.height, context.pix_fmt = picture.width, picture.height, wanted
        context.time_base = Fraction(1)
        context.options = {"compression_level": "0", "pred": "none"}
        picture.pts = 0
        packets = cast("list[Packet[VideoStream]]", [*context.encode(picture), *context.encode(None)])
        return b"".join(map(bytes, packets))

    @cached_property
    def stand_in(self) -> bytes:
        """A film of the same size and length that any browser can play, in WebM: nothing is to be seen in it."""
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


@lru_cache(maxsize=_OPEN)
def open_footage(path: Path, changed: int) -> Footage | None:
    """The film at ``path`` that was ``changed`` then (ns since 1970); None where there is none in it.

    The last few stay open.
    """
    try:
        return Footage(path)
    except (ValueError, OSError):  # which the errors of PyAV are
        return None


def _open(path: Path) -> tuple[InputContainer, VideoStream]:
    import av

    container = av.open(str(path))
    stream = next((stream for stream in container.streams.video if not _is_cover(stream)), None)
    if stream is None:
        raise ValueError(f"{path.name} has no video")
    stream.thread_count = 1  # there are as many renderers as cores
    return container, stream


def _is_cover(stream: VideoStream) -> bool:
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _decoder(stream: VideoStream) -> str | None:
    return _WITH_ALPHA.get(stream.codec_context.name) if stream.metadata.get("alpha_mode") == "1" else None


def _index(container: InputContainer, stream: VideoStream) -> tuple[list[int], list[int]]:
    """When frames begin, in order, and those among them at which decoding can begin, in ticks."""
    shown: set[int] = set()
    keys: set[int] = set()
    for packet in container.demux(stream):
        if packet.pts is None or packet.is_discard:
            continue
        shown.add(packet.pts)
        if packet.is_keyframe:
            keys.add(packet.pts)
    if not shown or not keys:
        raise ValueError("there is no frame in it")
    first = min(keys)
    return sorted(pts for pts in shown if pts >= first), sorted(keys)
