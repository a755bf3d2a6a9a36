"""Muxing of frames that the browser has encoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from helios.composition import timescale
from helios.errors import BrowserError
from helios.renderer.capture.frames import EncodedPacket
from helios.renderer.encode.segment import SegmentFile
from helios.renderer.messages import Encoding


class FrameMuxer:
    """Writes the ``packets`` of the browser's encoder, in the order of the frames, into a segment."""

    def __init__(self, file: SegmentFile, packets: deque[EncodedPacket]) -> None:
        self._file = file
        self._incoming = packets
        self._stream: VideoStream | None = None
        self._drawn = 0
        self._count = 0

    def add(self, pixels: VideoFrame | None) -> None:
        """See ``PixelSink``."""
        self._drawn += 1
        self._file.mux(self._packets())

    def finish(self) -> None:
        """See ``PixelSink``."""
        self._file.mux(self._packets())
        if self._count != self._drawn:
            raise BrowserError(f"the browser encoded {self._count} of {self._drawn} frames")
        self._file.finish()

    def _packets(self) -> Iterator[Packet[Any]]:
        while self._incoming:
            coded = self._incoming.popleft()
            stream = self._stream = self._stream or self._add_stream(coded)
            packet = Packet(coded.data)
            packet.stream = stream
            packet.time_base = 1 / self._file.fps
            packet.pts = packet.dts = self._count
            packet.duration = 1
            packet.is_keyframe = coded.key
            self._count += 1
            yield packet

    def _add_stream(self, first: EncodedPacket) -> VideoStream:
        with av.open(BytesIO(first.data), format="h264") as source:
            stream = self._file.container.add_stream_from_template(source.streams.video[0])
        stream.time_base = Fraction(1, timescale(self._file.fps))
        return stream


def browser_settings(encoding: Encoding, width: int, height: int, fps: Fraction) -> dict[str, object]:
    """Returns the configuration of WebCodecs' VideoEncoder (https://www.w3.org/TR/webcodecs/#video-encoder-config).

    Browsers encode H.264 to a bitrate, so ``crf`` sets the bits per pixel: 0.1 at 23, doubled for every 6 less.
    The level is the lowest that allows the size and rate (ITU-T H.264, table A-1).
    """
    crf = 20 if encoding.crf is None else encoding.crf
    macroblocks = -(-width // 16) * -(-height // 16)
    level = next(
        (code for code, most, speed in _LEVELS if macroblocks <= most and macroblocks * fps <= speed), _LEVELS[-1][0]
    )
    return {
        "codec": f"avc1.6400{level:02x}",
        "width": width,
        "height": height,
        "bitrate": max(100_000, round(width * height * fps * 0.1 * 2 ** ((23 - crf) / 6))),
        "bitrateMode": "variable",
        "framerate": float(fps),
        "latencyMode": "quality",
        "avc": {"format": "annexb"},
    }


_LEVELS = ((40, 8192, 245_760), (42, 8704, 522_240), (51, 36_864, 983_040), (52, 36_864, 2_073_600))
"""Ten times the level, macroblocks in a frame, macroblocks in a second."""
