"""What can't be avoided, each in a process of its own: drawing without pictures, encoding without drawing."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from benchmarks.bare import bare_page
from benchmarks.scenes import ENCODING, FPS, SIZE, composition
from helios.adapters import LocalWorkerAdapter
from helios.orchestrator.dispatch import run_renderer
from helios.renderer.encoder import configure
from helios.renderer.spec import ChunkSpec, Encoding

_LOSSLESS = Encoding(codec="h264", crf=0, preset="ultrafast")


def raw_film(folder: Path) -> Path:
    """Where the frames lie that are encoded: the pixels that x264 gets from Helios, kept without loss."""
    return folder / "lossless.mp4"


async def draw_raw(scene: str, frames: int, folder: Path) -> None:
    """Draws ``raw_film`` as one chunk."""
    spec = ChunkSpec(
        composition=composition(scene, frames), start=0, stop=frames, encoding=_LOSSLESS, capture="begin-frame",
        motion="step",
    )  # fmt: skip
    made = await run_renderer(LocalWorkerAdapter(), "chunk", spec, folder / "lossless", "segment.mp4")
    made.replace(raw_film(folder))


async def draw(scene: str, frames: int, workers: int) -> None:
    """Draws every frame of the scene in as many browsers as there are workers, and takes no picture of any."""
    bounds = [frames * worker // workers for worker in range(workers + 1)]
    with tempfile.TemporaryDirectory(prefix="helios-bench-", ignore_cleanup_errors=True) as folder:
        parts = (_draw(scene, pair, Path(folder, str(pair[0]))) for pair in itertools.pairwise(bounds))
        await asyncio.gather(*parts)


async def _draw(scene: str, bounds: tuple[int, int], workspace: Path) -> None:
    start, stop = bounds
    async with bare_page(scene, stop, workspace) as bare:
        if start:
            await bare.move(0)  # where a chunk of a page that may jump begins too
        for frame in range(start, stop):
            await bare.move(frame)
            await bare.draw(None)


def encode(frames: int, workers: int, folder: Path, report: Path) -> None:
    """Encodes ``raw_film``'s frames, decoded beforehand, as chunks side by side; writes what that took."""
    bounds = [frames * worker // workers for worker in range(workers + 1)]
    parts = [list(_decoded(raw_film(folder), pair)) for pair in itertools.pairwise(bounds)]
    wall, cpu = time.monotonic(), sum(os.times()[:2])
    with ThreadPoolExecutor(workers) as threads:
        done = [threads.submit(_encode, part, folder / f"encoded-{i}.mp4") for i, part in enumerate(parts)]
        for each in done:
            each.result()
    report.write_text(json.dumps({"wall": time.monotonic() - wall, "cpu": sum(os.times()[:2]) - cpu}), "utf-8")


def _decoded(film: Path, bounds: tuple[int, int]) -> Iterator[VideoFrame]:
    with av.open(str(film)) as container:
        yield from itertools.islice(container.decode(video=0), *bounds)


def _encode(frames: list[VideoFrame], output: Path) -> None:
    with av.open(str(output), "w") as container:
        stream = container.add_stream(ENCODING.codec, rate=FPS)
        assert isinstance(stream, VideoStream)
        configure(stream.codec_context, ENCODING, *SIZE, FPS)
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base, frame.pict_type = number, 1 / FPS, PictureType.NONE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
