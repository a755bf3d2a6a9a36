"""Lower bounds, each in its own process: drawing without encoding, encoding without drawing."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from benchmarks.scenes import ENCODING, FPS, composition, opened
from helios.adapters import LocalWorkerAdapter
from helios.orchestrator.execute import RendererCommand
from helios.orchestrator.shared_disk import SharedDiskDispatcher
from helios.renderer.capture.frames import CapturedFrame, RawFrame
from helios.renderer.capture.stage import StageCapture
from helios.renderer.draw import draw_first
from helios.renderer.encode.codec import configure
from helios.renderer.messages import ChunkSpec, Encoding

_LOSSLESS = Encoding(codec="h264", crf=0, preset="ultrafast")


def raw_video(folder: Path) -> Path:
    """Returns the path of the lossless video whose frames are encoded: faithful ones, as Helios gives them to x264."""
    return folder / "lossless.mp4"


async def draw_raw(scene: str, frames: int, folder: Path) -> None:
    """Draws ``raw_video`` as one chunk."""
    spec = ChunkSpec(
        composition=composition(scene, frames), start=0, stop=frames, encoding=_LOSSLESS, capture="begin-frame",
        motion="step",
    )  # fmt: skip
    work = folder / "lossless"
    command = RendererCommand("chunk", spec, {"segment.mp4": ""})
    await SharedDiskDispatcher(LocalWorkerAdapter()).run_renderer(command, work)
    (work / "segment.mp4").replace(raw_video(folder))


async def browsers(scene: str, cores: int) -> int:
    """Returns the number of browsers that draw: one a core, or one if each would have to step through the page."""
    async with opened(scene, "canvas") as page:
        stage = StageCapture(page, FPS)
        await stage.warm_up()
        await stage.step(0)
        return 1 if await page.motion() == "step" else cores


async def draw(scene: str, frames: int, workers: int) -> None:
    """Draws every frame of the scene on the stage, in ``workers`` browsers."""
    bounds = [frames * worker // workers for worker in range(workers + 1)]
    await asyncio.gather(*(_draw(scene, *pair) for pair in itertools.pairwise(bounds)))


async def _draw(scene: str, start: int, stop: int) -> None:
    async with opened(scene, "canvas") as page, asyncio.TaskGroup() as under_way:
        stage = StageCapture(page, FPS)
        under_way.create_task(discard(await draw_first(stage, "jump", start)))
        for frame in range(start + 1, stop):
            under_way.create_task(discard(await stage.draw(frame)))


async def discard(image: CapturedFrame | None) -> None:
    """Waits for an image of the stage, and frees its slot without reading the pixels."""
    if isinstance(image, RawFrame):
        await image.arrived()
        image._free()


def encode(frames: int, workers: int, folder: Path, report: Path) -> None:
    """Encodes the frames of ``raw_video``, decoded beforehand, as parallel chunks; writes the cost to ``report``."""
    bounds = [frames * worker // workers for worker in range(workers + 1)]
    parts = [list(_decoded(raw_video(folder), pair)) for pair in itertools.pairwise(bounds)]
    wall, cpu = time.monotonic(), sum(os.times()[:2])
    with ThreadPoolExecutor(workers) as threads:
        done = [threads.submit(_encode, part, folder / f"encoded-{i}.mp4") for i, part in enumerate(parts)]
        for each in done:
            each.result()
    report.write_text(json.dumps({"wall": time.monotonic() - wall, "cpu": sum(os.times()[:2]) - cpu}), "utf-8")


def _decoded(video: Path, bounds: tuple[int, int]) -> Iterator[VideoFrame]:
    with av.open(str(video)) as container:
        yield from itertools.islice(container.decode(video=0), *bounds)


def _encode(frames: list[VideoFrame], output: Path) -> None:
    with av.open(str(output), "w") as container:
        stream = container.add_stream(ENCODING.codec, rate=FPS)
        assert isinstance(stream, VideoStream)
        configure(stream.codec_context, ENCODING, composition("dom", len(frames)))
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base, frame.pict_type = number, 1 / FPS, PictureType.NONE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
