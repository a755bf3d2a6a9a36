"""Measures several ways to encode frames to H.264."""

from __future__ import annotations

import base64
import contextlib
import io
import resource
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import av
import numpy as np
import psutil
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from benchmarks.floors import discard
from benchmarks.scenes import ENCODING, FPS, SIZE, composition, opened
from benchmarks.videos import Pixels, likeness
from helios.renderer.capture.stage import StageCapture
from helios.renderer.encode.codec import PixelConverter, new_context
from helios.renderer.messages import Encoding
from helios.stitcher.binary import find_ffmpeg

_FILM = composition("dom", 1)
_BROWSER_ENCODER = (
    """
(bitrate) => {
  const canvas = document.querySelector("canvas");
  const chunks = [];
  let arrive, fail;
  const encoder = new VideoEncoder({
    output(chunk) {
      const bytes = new Uint8Array(chunk.byteLength);
      chunk.copyTo(bytes);
      chunks.push(bytes);
      arrive();
    },
    error: (error) => fail(error),
  });
  if (bitrate) {
    encoder.configure({
      codec: "avc1.640028", avc: { format: "annexb" }, width: WIDTH, height: HEIGHT, framerate: RATE,
      bitrate, bitrateMode: "variable", latencyMode: "quality",
    });
  }
  window.benchmark = {
    async take(number) {
      const duration = 1e6 / RATE;
      const image = new VideoFrame(canvas, { timestamp: Math.round(number * duration), duration });
      const arrived = new Promise((resolve, reject) => ([arrive, fail] = [resolve, reject]));
      if (bitrate) encoder.encode(image, { keyFrame: number === 0 });
      image.close();
      if (bitrate) await arrived;
    },
    chunks: () => chunks.map((bytes) => bytes.toBase64()),
  };
}
""".replace("WIDTH", str(SIZE[0]))
    .replace("HEIGHT", str(SIZE[1]))
    .replace("RATE", str(float(FPS)))
)


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one way for a frame: CPU milliseconds and wall milliseconds.

    ``megabytes`` is the size of all frames together, and ``likeness`` the mean PSNR (dB) of their RGB pixels.
    """

    name: str
    cpu_ms: float
    wall_ms: float
    megabytes: float
    likeness: float


async def encoders(scene: str, frames: int) -> AsyncGenerator[Cost]:
    """Encodes frames of the scene, drawn beforehand, in each way in turn."""
    pixels = await _pixels(scene, frames)
    preset = ENCODING.preset
    yield _conversion(pixels)
    own = _measured(f"PyAV, {preset}, 1 thread", pixels, lambda: _encode(pixels, ENCODING, 1))
    yield own
    for threads in (2, 4):
        name = f"PyAV, {preset}, {threads} threads"
        yield _measured(name, pixels, lambda threads=threads: _encode(pixels, ENCODING, threads))
    for other in ("superfast", "ultrafast"):
        encoding = ENCODING.model_copy(update={"preset": other})
        name = f"PyAV, {other}, 1 thread"
        yield _measured(name, pixels, lambda encoding=encoding: _encode(pixels, encoding, 1))
    for threads in (1, 2):
        name = f"ffmpeg child, {preset}, {threads} thread{'s' if threads > 1 else ''}"
        yield _measured(name, pixels, lambda threads=threads: _encode_in_child(pixels, threads))
    bare_cpu, bare_wall, _ = await _in_browser(scene, frames, 0)
    bitrate = round(own.megabytes * 8e6 * FPS / frames)
    for part in (1, 2):
        cpu, wall, video = await _in_browser(scene, frames, bitrate // part)
        name = f"browser, {bitrate / part / 1e6:.1f} Mbit/s"
        yield _cost(name, pixels, cpu - bare_cpu, wall - bare_wall, video)


async def _pixels(scene: str, frames: int) -> list[VideoFrame]:
    found: list[VideoFrame] = []
    async with opened(scene, "stage") as page:
        stage = StageCapture(page, FPS)
        await stage.warm_up()
        for frame in range(frames):
            if image := await stage.draw(frame):
                await image.arrived()
            found.append(image.pixels() if image else found[-1])
    return found


def _measured(name: str, pixels: Sequence[VideoFrame], encode: Callable[[], bytes]) -> Cost:
    cpu, wall = _own_seconds(), time.perf_counter()
    video = encode()
    wall = time.perf_counter() - wall
    return _cost(name, pixels, _own_seconds() - cpu, wall, video)


def _own_seconds() -> float:
    """Returns the CPU seconds of this process and of its finished children."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _cost(name: str, pixels: Sequence[VideoFrame], cpu: float, wall: float, video: bytes) -> Cost:
    with av.open(io.BytesIO(video), "r", format="h264") as container:
        alike = [_likeness(*pair) for pair in zip(container.decode(video=0), pixels, strict=True)]
    each = 1000 / len(pixels)
    return Cost(name, cpu * each, wall * each, len(video) / 1e6, fmean(alike))


def _likeness(frame: VideoFrame, pixels: VideoFrame) -> float:
    shown = frame.reformat(format="rgb24", src_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.JPEG)
    return likeness(_rgb(shown), _rgb(pixels))


def _rgb(frame: VideoFrame) -> Pixels:
    return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


def _conversion(pixels: Sequence[VideoFrame]) -> Cost:
    """Converts RGB to YUV, the first step of all other ways."""
    shaper = PixelConverter(new_context(ENCODING, _FILM))
    cpu, wall = time.process_time(), time.perf_counter()
    frames = [shaper.convert(each) for each in pixels]
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    alike = [_likeness(*pair) for pair in zip(frames, pixels, strict=True)]
    size = sum(plane.buffer_size for frame in frames for plane in frame.planes)
    each = 1000 / len(pixels)
    return Cost("RGB to YUV alone", cpu * each, wall * each, size / 1e6, fmean(alike))


def _encode(pixels: Sequence[VideoFrame], encoding: Encoding, threads: int) -> bytes:
    context = new_context(encoding, _FILM, threads)
    shaper = PixelConverter(context)
    video = bytearray()
    for number, each in enumerate(pixels):
        frame = shaper.convert(each)
        frame.pts, frame.time_base = number, context.time_base
        for packet in context.encode(frame):
            video += bytes(packet)
    for packet in context.encode(None):
        video += bytes(packet)
    return bytes(video)


def _encode_in_child(pixels: Sequence[VideoFrame], threads: int) -> bytes:
    """Pipes frames to ffmpeg, which converts them itself."""
    size = "x".join(map(str, SIZE))
    with tempfile.TemporaryDirectory(prefix="helios-bench-") as folder:
        video = Path(folder, "video.h264")
        command = (
            *(str(find_ffmpeg()), "-loglevel", "error", "-filter_threads", str(threads)),
            *("-f", "rawvideo", "-pixel_format", "bgr0", "-video_size", size, "-framerate", str(FPS), "-i", "-"),
            *("-vf", "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p", "-c:v", ENCODING.codec),
            *("-preset", str(ENCODING.preset), "-crf", f"{ENCODING.crf:g}", "-threads", str(threads), str(video)),
        )
        with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
            assert child.stdin
            for each in pixels:
                (plane,) = each.planes
                assert plane.line_size == 4 * each.width, "rows lie one behind the other"
                child.stdin.write(memoryview(plane))
        return video.read_bytes()


async def _in_browser(scene: str, frames: int, bitrate: int) -> tuple[float, float, bytes]:
    """Draws the scene and has the browser encode it, each frame after it was drawn; with bitrate 0 only draws it.

    The browser's processor seconds and seconds by the clock from drawn frames to packets, and the video.
    """
    cpu = wall = 0.0
    async with opened(scene, "stage") as page:
        stage = StageCapture(page, FPS)
        await stage.warm_up()
        await page.evaluate(f"({_BROWSER_ENCODER})({bitrate})")
        for frame in range(frames):
            await discard(await stage.draw(frame))
            before, started = _browser_seconds(), time.perf_counter()
            await page.evaluate(f"benchmark.take({frame})")
            wall += time.perf_counter() - started
            cpu += _browser_seconds() - before
        video = b"".join(map(base64.b64decode, await page.evaluate("benchmark.chunks()")))
    return cpu, wall, video


def _browser_seconds() -> float:
    """Returns the CPU seconds of all threads of all descendants: psutil has a resolution of 0.01 s only."""
    processes = psutil.Process().children(recursive=True)
    return sum(_ran_ns(task) for process in processes for task in Path(f"/proc/{process.pid}/task").iterdir()) / 1e9


def _ran_ns(task: Path) -> int:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has exited meanwhile
        return int((task / "schedstat").read_text().split()[0])
    return 0
