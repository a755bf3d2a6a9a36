"""Measures each stage of a frame separately."""

from __future__ import annotations

import base64
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from statistics import median

import av
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from benchmarks.scenes import ENCODING, FPS, composition, opened
from helios.renderer.browser.devtools import Params
from helios.renderer.capture.base import FrameControl
from helios.renderer.capture.faithful import EXACT, BeginFrameCapture
from helios.renderer.capture.frames import EncodedFrame, hash_pixels
from helios.renderer.capture.stage import StageCapture
from helios.renderer.encode.codec import PixelConverter, new_context

Times = dict[str, list[float]]

OTHER_FORMATS: dict[str, Params] = {
    "png": {"format": "png", "optimizeForSpeed": False},
    "webp 100": {"format": "webp", "quality": 100},
    "webp 100, fast": {"format": "webp", "quality": 100, "optimizeForSpeed": True},
    "jpeg 100": {"format": "jpeg", "quality": 100},
    "jpeg 100, fast": {"format": "jpeg", "quality": 100, "optimizeForSpeed": True},
}

_HOLD_BACK = """
const { postMessage } = Worker.prototype;
Worker.prototype.postMessage = function (...message) {
  window.send = () => postMessage.apply(this, message);
};
"""
"""Holds back the stage's messages to its worker until ``send()``, so that nothing runs in parallel with the paint."""


async def fast(scene: str, frames: int) -> dict[str, float]:
    """Returns the median milliseconds of each stage of a frame on the stage."""
    times: Times = defaultdict(list)
    encoder = _Encoder(times)
    async with opened(scene, "canvas") as page:
        stage = StageCapture(page, FPS)
        await stage.warm_up()
        await page.evaluate(_HOLD_BACK)
        move = stage._frames.move

        async def advance(frame: int) -> bool:
            with _timed(times, "advance"):
                return await move(frame)

        stage._frames.move = advance
        for frame in range(frames):
            with _timed(times, "paint"):
                image = await stage.draw(frame)
            times["paint"][-1] -= times["advance"][-1]
            if not image:
                continue
            with _timed(times, "transfer"):
                await page.evaluate("send()")
                await image.arrived()
            with _timed(times, "copy"):
                pixels = image.pixels()
            encoder.add(pixels)
    return {stage: median(values) for stage, values in times.items()} | encoder.finish()


async def faithful(scene: str, frames: int) -> dict[str, float]:
    """Returns the median milliseconds of each stage of a frame captured as a PNG, and the size of the PNG."""
    times: Times = defaultdict(list)
    encoder = _Encoder(times)
    async with _started(scene) as started:
        for frame in range(frames):
            with _timed(times, "advance"):
                await started.move(frame)
            # Frames with an image and without take turns: drawn a second time, a frame has less to do.
            if frame % 2:
                with _timed(times, "draw"):
                    await started.begin()
                continue
            with _timed(times, "draw with image"):
                coded = await started.begin(image=EXACT)
            assert coded
            image = EncodedFrame(coded)
            with _timed(times, "base64"):
                times["image MB"].append(len(image.file()) / 1e6)
            with _timed(times, "decode"):
                pixels = image.pixels()
            times["decode"][-1] -= times["base64"][-1]
            encoder.add(pixels)
    found = {stage: median(values) for stage, values in times.items()}
    found["pack image"] = found.pop("draw with image") - found["draw"]
    return found | encoder.finish()


class _Encoder:
    """Processes the pixels of images with the settings of a render and one x264 thread.

    Packets come out long after their frames went in, so x264 is timed for all frames together.
    """

    def __init__(self, times: Times) -> None:
        self._times = times
        self._context = new_context(ENCODING, composition("dom", 1))
        self._shaper = PixelConverter(self._context)
        self._count = 0
        self._wall = self._cpu = 0.0

    def add(self, pixels: VideoFrame) -> None:
        """Hashes, converts and encodes a frame."""
        with _timed(self._times, "hash"):
            hash_pixels(pixels)
        with _timed(self._times, "RGB to YUV"):
            frame = self._shaper.convert(pixels)
        frame.pts, frame.time_base = self._count, self._context.time_base
        self._count += 1
        self._encode(frame)

    def finish(self) -> dict[str, float]:
        """Returns the mean wall and CPU milliseconds of x264 for a frame."""
        self._encode(None)
        return {"x264": self._wall * 1000 / self._count, "x264, CPU": self._cpu * 1000 / self._count}

    def _encode(self, frame: VideoFrame | None) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        self._context.encode(frame)
        self._wall += time.perf_counter() - wall
        self._cpu += time.process_time() - cpu


async def images(scene: str, frames: int) -> list[tuple[str, float, float, float, bool]]:
    """Measures ways to capture a faithful image.

    Returns name, ms beyond drawing, ms to decode, MB, and whether the pixels are those of the PNG.

    Each way gets frames of its own in turn. Whether it keeps all pixels is seen in a second image, a moment
    later: one frame that is the same to the last bit is enough, as no lossy way has any.
    """
    ways = {"png, fast (Helios)": EXACT, **OTHER_FORMATS}
    took: Times = defaultdict(list)
    decoding: Times = defaultdict(list)
    sizes: Times = defaultdict(list)
    same: dict[str, list[bool]] = defaultdict(list)
    names = [None, *ways]
    async with _started(scene) as started:
        for frame in range(frames * len(names)):
            await started.move(frame)
            name = names[frame % len(names)]
            with _timed(took, name or ""):
                image = await started.begin(image=ways[name] if name else None)
            if name and image:
                sizes[name].append(len(image) * 0.75e-6)
                with _timed(decoding, name):
                    pixels = _decode(image, ways[name])
                started.nudge()
                truth = await started.begin(image=EXACT)
                assert truth
                same[name].append(hash_pixels(pixels) == hash_pixels(EncodedFrame(truth).pixels()))
    bare_ms = median(took.pop(""))
    return [
        (name, median(took[name]) - bare_ms, median(decoding[name]), median(sizes[name]), any(same[name]))
        for name in ways
    ]


def _decode(image: str, kind: Params) -> VideoFrame:
    codec = {"png": "png", "webp": "webp", "jpeg": "mjpeg"}[str(kind["format"])]
    decoder = CodecContext.create(codec, "r")
    assert isinstance(decoder, VideoCodecContext)
    (frame,) = decoder.decode(av.Packet(base64.b64decode(image)))
    return frame.reformat(format="bgr0")


@asynccontextmanager
async def _started(scene: str) -> AsyncGenerator[FrameControl]:
    """Opens the scene; each frame is started by its own command."""
    async with opened(scene, "begin-frame") as page:
        capture = BeginFrameCapture(page, FPS)
        await capture.warm_up()
        yield capture._frames


@contextmanager
def _timed(times: Times, stage: str) -> Generator[None]:
    started = time.perf_counter()
    yield
    times[stage].append((time.perf_counter() - started) * 1000)
