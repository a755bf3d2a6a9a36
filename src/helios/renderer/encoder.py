"""Pictures into a segment: hashed and encoded in this process, while the next one is drawn."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import av
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from helios.composition import timescale
from helios.errors import OutputError, UsageError
from helios.renderer.picture import hash_pixels
from helios.renderer.segment import SegmentFile
from helios.renderer.spec import Encoding

_BT709 = 1  # ITU-T H.273: primaries, transfer and matrix of BT.709 all have code point 1

_DEFAULTS: dict[str, dict[str, str]] = {
    "libx264": {"crf": "18", "preset": "medium"},
    "libx265": {"crf": "20", "preset": "medium", "x265-params": "log-level=none"},
    "libvpx-vp9": {"crf": "24", "b": "0", "row-mt": "1", "deadline": "good", "cpu-used": "4"},
    "libsvtav1": {"crf": "28", "preset": "8"},
}
_PIXEL_FORMATS = {"prores_ks": "yuv422p10le"}


def pixel_format(encoding: Encoding) -> str:
    """The encoding's pixel format, or its codec's usual one."""
    return encoding.pixel_format or _PIXEL_FORMATS.get(encoding.codec, "yuv420p")


def check_encoding(encoding: Encoding, width: int, height: int, fps: Fraction) -> None:
    """Makes sure that an encoder accepts these settings.

    Raises:
        UsageError: it does not; says which setting is wrong.
    """
    name = pixel_format(encoding)
    if encoding.encoder == "browser":
        for what, given, only in (("codec", encoding.codec, "libx264"), ("pixel format", name, "yuv420p")):
            if given != only:
                raise UsageError(f"the browser encodes h264 in yuv420p, not the {what} {given}: --encoder ffmpeg")
        if encoding.preset is not None:
            raise UsageError(f"the browser's encoder has no presets, such as {encoding.preset}: --encoder ffmpeg")
    try:
        shape = av.VideoFormat(name, width, height)
    except ValueError:
        raise UsageError(f"there is no pixel format {name!r}: usual ones are yuv420p, yuv422p and yuv444p") from None
    if shape.is_rgb:
        raise UsageError(f"films are made in YUV, not in {name}: usual pixel formats are yuv420p, yuv422p and yuv444p")
    for what, size, chroma in (
        ("width", width, shape.chroma_width()),
        ("height", height, shape.chroma_height()),
    ):
        if chroma != size and size % 2:
            raise UsageError(f"{name} needs an even {what}, not {size}: change it, or use --pixel-format yuv444p")
    try:
        codec = av.Codec(encoding.codec, "w")
    except ValueError:
        raise UsageError(f"there is no encoder {encoding.codec!r}: try h264, h265, vp9, av1 or prores") from None
    if codec.type != "video":
        raise UsageError(f"{encoding.codec} encodes no video: try h264, h265, vp9, av1 or prores")
    formats = [known.name for known in codec.video_formats or ()]
    if formats and name not in formats:
        raise UsageError(f"{encoding.codec} can't encode {name}: it takes {', '.join(formats)}")
    context = CodecContext.create(encoding.codec, "w")
    assert isinstance(context, VideoCodecContext)
    configure(context, encoding, width, height, fps)
    try:
        context.open()
    except (ValueError, OSError) as error:
        settings = ", ".join(f"{key} {value}" for key, value in context.options.items())
        raise UsageError(f"{encoding.codec} does not accept its settings ({settings}): {error}") from None


def configure(
    context: VideoCodecContext, encoding: Encoding, width: int, height: int, fps: Fraction, threads: int = 1
) -> None:
    """Sets an encoder up, before it is opened."""
    context.width, context.height = width, height
    context.pix_fmt = pixel_format(encoding)
    context.framerate = fps
    # Never left to the encoder: what it writes must not depend on the cores of the machine it is on.
    context.thread_count = threads
    context.time_base = 1 / fps
    context.color_range = ColorRange.MPEG
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    options = dict(_DEFAULTS.get(encoding.codec, {}))
    if encoding.crf is not None:
        options["crf"] = f"{encoding.crf:g}"
    if encoding.preset is not None:
        options["preset"] = encoding.preset
    context.options = options


def encoding_time(frames: Sequence[VideoFrame], encoding: Encoding, fps: Fraction) -> float:
    """Processor time (ms) that a bgr0 frame takes, from its pixels to its packet: the mean over ``frames``.

    Only this thread's is counted, for others are at work meanwhile.
    """
    context = CodecContext.create(encoding.codec, "w")
    assert isinstance(context, VideoCodecContext)
    configure(context, encoding, frames[0].width, frames[0].height, fps)
    begun = time.thread_time()
    reformatter = VideoReformatter()
    for number, pixels in enumerate(frames):
        hash_pixels(pixels)
        frame = _to_yuv(reformatter, pixels, pixel_format(encoding))
        frame.pts, frame.time_base = number, context.time_base
        context.encode(frame)
    context.encode(None)
    return (time.thread_time() - begun) * 1000 / len(frames)


def _to_yuv(reformatter: VideoReformatter, pixels: VideoFrame, wanted: str) -> VideoFrame:
    frame = reformatter.reformat(
        pixels,
        format=wanted,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        dst_colorspace=Colorspace.ITU709,
    )
    frame.pict_type = PictureType.NONE  # a PNG is a key frame; what the film's are is the encoder's to say
    return frame


class FrameEncoder:
    """Encodes pictures in this process."""

    def __init__(self, file: SegmentFile, encoding: Encoding, width: int, height: int, threads: int = 1) -> None:
        self._file = file
        self._size = (width, height)
        self._reformatter = VideoReformatter()
        self._pixel_format = pixel_format(encoding)
        self._last: VideoFrame | None = None
        self._count = 0
        stream = file.container.add_stream(encoding.codec, rate=file.fps)
        assert isinstance(stream, VideoStream)
        self._stream = stream
        self._context = stream.codec_context
        configure(self._context, encoding, width, height, file.fps, threads)
        self._stream.time_base = Fraction(1, timescale(file.fps))

    def add(self, pixels: VideoFrame | None) -> None:
        """See ``PixelSink``."""
        if pixels is not None:
            if (pixels.width, pixels.height) != self._size:
                raise OutputError(f"the browser drew {pixels.width}x{pixels.height} pixels instead of {self._size}")
            self._last = _to_yuv(self._reformatter, pixels, self._pixel_format)
        assert self._last is not None, "a segment begins with a picture"
        self._last.pts = self._count
        self._last.time_base = self._context.time_base
        self._count += 1
        self._file.mux(self._encoded(self._last))

    def finish(self) -> None:
        """See ``PixelSink``."""
        self._file.mux(self._encoded(None))
        self._file.finish()

    def _encoded(self, frame: VideoFrame | None) -> Iterator[Packet[Any]]:
        yield from self._stream.encode(frame)
