"""Encoding with ffmpeg's libraries in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from helios.composition import Composition, timescale
from helios.errors import OutputError
from helios.renderer.capture.frames import hash_pixels
from helios.renderer.encode.codec import PixelConverter, configure, new_context
from helios.renderer.encode.segment import SegmentFile
from helios.renderer.messages import Encoding


def measure_encoding(frames: Sequence[VideoFrame], encoding: Encoding, video: Composition) -> float:
    """Returns the processor time (ms) to encode a frame, from its pixels to its packet: the mean over ``frames``.

    It measures only this thread, because others work at the same time.
    """
    context = new_context(encoding, video)
    started = time.thread_time()
    converter = PixelConverter(context)
    for number, pixels in enumerate(frames):
        hash_pixels(pixels)
        frame = converter.convert(pixels)
        frame.pts, frame.time_base = number, context.time_base
        context.encode(frame)
    context.encode(None)
    return (time.thread_time() - started) * 1000 / len(frames)


class FrameEncoder:
    """Encodes the frames of a video, from its frame ``first`` on."""

    def __init__(
        self, file: SegmentFile, encoding: Encoding, video: Composition, threads: int = 1, first: int = 0
    ) -> None:
        self._file = file
        self._size = (video.width, video.height)
        self._last: VideoFrame | None = None
        self._count = file.first_timestamp(first)
        stream = file.container.add_stream(encoding.codec, rate=video.fps)
        assert isinstance(stream, VideoStream)
        self._stream = stream
        self._context = stream.codec_context
        configure(self._context, encoding, video, threads)
        self._converter = PixelConverter(self._context)
        self._stream.time_base = Fraction(1, timescale(video.fps))

    def add(self, pixels: VideoFrame | None) -> None:
        """See ``PixelSink``."""
        if pixels is not None:
            if (pixels.width, pixels.height) != self._size:
                raise OutputError(f"the browser drew {pixels.width}x{pixels.height} pixels instead of {self._size}")
            self._last = self._converter.convert(pixels)
        assert self._last is not None, "a segment starts with an image"
        self._last.pts = self._count
        self._last.time_base = self._context.time_base
        self._count += 1
        self._file.mux(self._encode(self._last))

    def finish(self) -> None:
        """See ``PixelSink``."""
        self._file.mux(self._encode(None))
        self._file.finish()

    def _encode(self, frame: VideoFrame | None) -> Iterator[Packet[Any]]:
        yield from self._stream.encode(frame)
