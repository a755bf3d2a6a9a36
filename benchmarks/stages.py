"""Where the time of a frame goes: every stage of it on its own, one after the other."""

from __future__ import annotations

import base64
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TypeVar

import av
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from benchmarks.bare import FAST_PNG, BarePage, bare_page
from benchmarks.scenes import ENCODING, FPS, SIZE
from helios.renderer.cdp import Params
from helios.renderer.encoder import configure, hash_pixels
from helios.renderer.picture import CodedPicture

T = TypeVar("T")
Times = dict[str, list[float]]

OTHER_PICTURES: dict[str, Params] = {
    "png": {"format": "png", "optimizeForSpeed": False},
    "webp 100": {"format": "webp", "quality": 100},
    "webp 100, fast": {"format": "webp", "quality": 100, "optimizeForSpeed": True},
    "jpeg 100": {"format": "jpeg", "quality": 100},
    "jpeg 100, fast": {"format": "jpeg", "quality": 100, "optimizeForSpeed": True},
}


async def stages(scene: str, frames: int) -> dict[str, float]:
    """Median milliseconds of each stage of a frame, and its picture's size."""
    times: Times = defaultdict(list)
    encoder = _Encoder()
    with tempfile.TemporaryDirectory(prefix="helios-bench-", ignore_cleanup_errors=True) as folder:
        async with bare_page(scene, frames, Path(folder)) as bare:
            for frame in range(frames):
                # Frames with a picture and without take turns: drawn a second time, a frame has less to do.
                await _frame(bare, frame, frame % 2 == 0, times, encoder)
    found = {stage: median(values) for stage, values in times.items()}
    found["pack picture"] = found.pop("draw with picture") - found["draw"]
    return found | encoder.encode_all()


async def _frame(bare: BarePage, frame: int, pictured: bool, times: Times, encoder: _Encoder) -> None:
    with _timed(times, "advance"):
        await bare.move(frame)
    with _timed(times, "draw with picture" if pictured else "draw"):
        picture = await bare.draw(FAST_PNG if pictured else None)
    if not pictured:
        return
    assert picture
    data = _run(times, "base64", lambda: base64.b64decode(picture))
    times["picture MB"].append(len(data) / 1e6)
    whole = time.perf_counter()
    pixels = CodedPicture(picture).pixels()
    times["decode"].append((time.perf_counter() - whole) * 1000 - times["base64"][-1])
    _run(times, "hash", lambda: hash_pixels(pixels))
    _run(times, "to YUV", lambda: encoder.convert(pixels))


class _Encoder:
    """The encoder's two steps, with the settings of a render.

    x264 has threads of its own and takes frames faster than it encodes them, so it is timed for all together.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        context = CodecContext.create(ENCODING.codec, "w")
        assert isinstance(context, VideoCodecContext)
        configure(context, ENCODING, *SIZE, FPS)
        self._context = context
        self._frames: list[VideoFrame] = []

    def convert(self, pixels: VideoFrame) -> None:
        frame = self._reformatter.reformat(
            pixels,
            format="yuv420p",
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            dst_colorspace=Colorspace.ITU709,
        )
        self._frames.append(frame)

    def encode_all(self) -> dict[str, float]:
        """Mean milliseconds of a frame, by the clock and on all cores."""
        wall, cpu = time.perf_counter(), time.process_time()
        for number, frame in enumerate(self._frames):
            frame.pts, frame.time_base, frame.pict_type = number, 1 / FPS, PictureType.NONE
            self._context.encode(frame)
        self._context.encode(None)
        count = len(self._frames) / 1000
        return {"x264": (time.perf_counter() - wall) / count, "x264, CPU": (time.process_time() - cpu) / count}


async def pictures(scene: str, frames: int) -> list[tuple[str, float, float, float, bool]]:
    """Ways to take a picture: name, ms beyond drawing, ms to decode, MB, and whether its pixels are PNG's.

    Each way gets frames of its own in turn. Whether it keeps all pixels is seen in a second picture, a moment
    later: one frame that is the same to the last bit is enough, as no lossy way has any.
    """
    ways = {"png, fast (Helios)": FAST_PNG, **OTHER_PICTURES}
    took: Times = defaultdict(list)
    decoding: Times = defaultdict(list)
    sizes: Times = defaultdict(list)
    same: dict[str, list[bool]] = defaultdict(list)
    names = [None, *ways]
    with tempfile.TemporaryDirectory(prefix="helios-bench-", ignore_cleanup_errors=True) as folder:
        async with bare_page(scene, frames * len(names), Path(folder)) as bare:
            for frame in range(frames * len(names)):
                await bare.move(frame)
                name = names[frame % len(names)]
                with _timed(took, name or ""):
                    picture = await bare.draw(ways[name] if name else None)
                if name and picture:
                    sizes[name].append(len(picture) * 0.75e-6)
                    pixels = _run(decoding, name, lambda picture=picture, kind=ways[name]: _decode(picture, kind))
                    truth = await bare.draw(FAST_PNG)
                    assert truth
                    same[name].append(hash_pixels(pixels) == hash_pixels(CodedPicture(truth).pixels()))
    bare_ms = median(took.pop(""))
    return [
        (name, median(took[name]) - bare_ms, median(decoding[name]), median(sizes[name]), any(same[name]))
        for name in ways
    ]


def _decode(picture: str, kind: Params) -> VideoFrame:
    codec = {"png": "png", "webp": "webp", "jpeg": "mjpeg"}[str(kind["format"])]
    decoder = CodecContext.create(codec, "r")
    assert isinstance(decoder, VideoCodecContext)
    (frame,) = decoder.decode(av.Packet(base64.b64decode(picture)))
    return frame.reformat(format="bgr0")


@contextmanager
def _timed(times: Times, stage: str) -> Generator[None]:
    begun = time.perf_counter()
    yield
    times[stage].append((time.perf_counter() - begun) * 1000)


def _run(times: Times, stage: str, work: Callable[[], T]) -> T:
    with _timed(times, stage):
        return work()
