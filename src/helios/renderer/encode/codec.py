"""The settings of an encoder, and the conversion of pixels to its format."""

from __future__ import annotations

import av
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from helios.composition import Composition
from helios.errors import UsageError
from helios.renderer.messages import Encoding

_BT709 = 1  # ITU-T H.273: primaries, transfer and matrix of BT.709 all have code point 1
_BT601 = 5  # the matrix that JFIF (ITU-T T.871) names

_DEFAULTS: dict[str, dict[str, str]] = {
    "libx264": {"crf": "18", "preset": "medium"},
    "libx265": {"crf": "20", "preset": "medium", "x265-params": "log-level=none"},
    "libvpx-vp9": {"crf": "24", "b": "0", "row-mt": "1", "deadline": "good", "cpu-used": "4"},
    "libsvtav1": {"crf": "28", "preset": "8"},
    "png": {"compression_level": "1", "pred": "paeth"},
    "mjpeg": {"crf": "2"},
}
_PREVIEW: dict[str, dict[str, str]] = {
    "libx264": {"preset": "ultrafast"},
    "libx265": {"preset": "ultrafast"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "12"},
}
_PIXEL_FORMATS = {"prores_ks": "yuv422p10le", "png": "rgb24", "mjpeg": "yuvj444p"}
_ALPHA_PIXEL_FORMATS = {"libvpx-vp9": "yuva420p", "prores_ks": "yuva444p10le", "png": "rgba"}


def choose_pixel_format(encoding: Encoding, *, alpha: bool = False) -> str:
    """Returns the encoding's pixel format, or the codec's default one, with ``alpha`` if needed."""
    usual = _ALPHA_PIXEL_FORMATS if alpha else _PIXEL_FORMATS
    return encoding.pixel_format or usual.get(encoding.codec, "yuv420p")


def encoded_size(encoding: Encoding, video: Composition) -> tuple[int, int]:
    """Returns the width and height (pixels) of the encoded video; a preview's are even."""
    if not encoding.preview:
        return video.width, video.height
    return -(-video.width // 4) * 2, -(-video.height // 4) * 2


def check_encoding(encoding: Encoding, video: Composition) -> None:
    """Checks that the encoder accepts these settings.

    Raises:
        UsageError: it refuses one; the message names it.
    """
    name = choose_pixel_format(encoding, alpha=video.page.alpha)
    if encoding.encoder == "browser":
        _check_browser(encoding, video, name)
    _check_pixel_format(encoding, video, name)
    try:
        codec = av.Codec(encoding.codec, "w")
    except ValueError:
        raise UsageError(f"there is no encoder {encoding.codec!r}: try h264, h265, vp9, av1 or prores") from None
    if codec.type != "video":
        raise UsageError(f"{encoding.codec} encodes no video: try h264, h265, vp9, av1 or prores")
    formats = [known.name for known in codec.video_formats or ()]
    if formats and name not in formats:
        raise UsageError(f"{encoding.codec} can't encode {name}: it takes {', '.join(formats)}")
    context = new_context(encoding, video)
    try:
        context.open()
    except (ValueError, OSError) as error:
        settings = ", ".join(f"{key} {value}" for key, value in context.options.items())
        raise UsageError(f"{encoding.codec} does not accept its settings ({settings}): {error}") from None


def _check_browser(encoding: Encoding, video: Composition, name: str) -> None:
    if video.page.alpha or encoding.preview:
        feature = "transparency" if video.page.alpha else "previews"
        raise UsageError(f"the browser can't encode {feature}: use --encoder ffmpeg")
    for what, given, only in (("codec", encoding.codec, "libx264"), ("pixel format", name, "yuv420p")):
        if given != only:
            raise UsageError(f"the browser encodes h264 in yuv420p, not the {what} {given}: use --encoder ffmpeg")
    if encoding.preset is not None:
        raise UsageError(f"the browser's encoder has no presets, such as {encoding.preset}: --encoder ffmpeg")


def _check_pixel_format(encoding: Encoding, video: Composition, name: str) -> None:
    width, height = encoded_size(encoding, video)
    try:
        shape = av.VideoFormat(name, width, height)
    except ValueError:
        raise UsageError(f"there is no pixel format {name!r}: usual ones are yuv420p, yuv422p and yuv444p") from None
    if shape.is_rgb and encoding.codec != "png":
        raise UsageError(
            f"videos are encoded in YUV, not in {name}: usual pixel formats are yuv420p, yuv422p and yuv444p"
        )
    if video.page.alpha and not any(component.is_alpha for component in shape.components):
        raise UsageError(f"{name} has no transparency: drop --pixel-format")
    for what, size, chroma in (
        ("width", width, shape.chroma_width()),
        ("height", height, shape.chroma_height()),
    ):
        if chroma != size and size % 2:
            fix = "change it" if video.page.alpha else "change it, or use --pixel-format yuv444p"
            raise UsageError(f"{name} needs an even {what}, not {size}: {fix}")


def new_context(encoding: Encoding, video: Composition, threads: int = 1) -> VideoCodecContext:
    """Returns a configured encoder that is not open yet."""
    context = CodecContext.create(encoding.codec, "w")
    assert isinstance(context, VideoCodecContext)
    configure(context, encoding, video, threads)
    return context


def configure(context: VideoCodecContext, encoding: Encoding, video: Composition, threads: int = 1) -> None:
    """Configures an encoder that is not open yet."""
    context.width, context.height = encoded_size(encoding, video)
    context.pix_fmt = choose_pixel_format(encoding, alpha=video.page.alpha)
    context.framerate = video.fps
    # Never the encoder's choice: its output must not depend on the number of cores.
    context.thread_count = threads
    context.time_base = 1 / video.fps
    if context.pix_fmt.startswith("yuvj"):
        context.color_range, context.colorspace = ColorRange.JPEG, _BT601
    elif context.pix_fmt.startswith("yuv"):
        context.color_range = ColorRange.MPEG
        context.color_primaries = context.color_trc = context.colorspace = _BT709
    options = dict(_DEFAULTS.get(encoding.codec, {}))
    if encoding.preview:
        options |= _PREVIEW.get(encoding.codec, {})
    if video.page.alpha and encoding.codec == "libvpx-vp9":
        options["auto-alt-ref"] = "0"  # libvpx does not support it with transparency
    if encoding.crf is not None:
        options["crf"] = f"{encoding.crf:g}"
    if encoding.preset is not None:
        options["preset"] = encoding.preset
    if encoding.codec == "mjpeg":
        options["qmin"] = options["qmax"] = options.pop("crf")
    context.options = options


class PixelConverter:
    """Converts frames to the size, pixel format and colours of an encoder."""

    def __init__(self, context: VideoCodecContext) -> None:
        self._context = context
        self._reformatter = VideoReformatter()

    def convert(self, pixels: VideoFrame) -> VideoFrame:
        """Returns the converted bgr0 or bgra frame."""
        context = self._context
        assert context.pix_fmt, "the encoder is configured"
        full = context.color_range == ColorRange.JPEG
        frame = self._reformatter.reformat(
            pixels,
            context.width,
            context.height,
            context.pix_fmt,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.JPEG if full or not context.pix_fmt.startswith("yuv") else ColorRange.MPEG,
            dst_colorspace=Colorspace.ITU601 if full else Colorspace.ITU709,
        )
        frame.color_primaries, frame.color_trc = context.color_primaries, context.color_trc  # ProRes reads only these
        frame.pict_type = PictureType.NONE  # a decoded PNG is a key frame; the encoder chooses its own
        return frame
