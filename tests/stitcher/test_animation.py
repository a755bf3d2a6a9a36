"""An animation is accepted for its times, for any bytes of compressed pixels."""

import asyncio
from fractions import Fraction
from itertools import count
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from helios.adapters import LocalWorkerAdapter
from helios.composition import timescale
from helios.composition.animated import gif_frame_ends, webp_frame_ends
from helios.stitcher.animation import AnimationStitcher

FPS = Fraction(25)
FRAMES = 60


def noise(path: Path, seed: int) -> Path:
    """A segment of 60 frames of random pixels."""
    pixels = np.random.default_rng(seed)
    with av.open(str(path), "w", options={"video_track_timescale": str(timescale(FPS))}) as container:
        stream = container.add_stream("png", rate=FPS)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "rgb24"
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(pixels.integers(0, 256, (240, 320, 3), np.uint8), "rgb24")
            frame.pts, frame.time_base = number, 1 / FPS
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def stitch(segment: Path, output: Path) -> bytes:
    asyncio.run(AnimationStitcher(LocalWorkerAdapter()).stitch([segment], output))
    return output.read_bytes()


def test_a_gif_of_noise_is_joined(tmp_path: Path) -> None:
    for seed in count(4):  # the first whose compressed pixels hold the bytes of a graphic control extension
        data = stitch(noise(tmp_path / "noise.mov", seed), tmp_path / "noise.gif")
        assert gif_frame_ends(data) == [(k + 1) / FPS for k in range(FRAMES)]
        if data.count(b"\x21\xf9\x04") > FRAMES:
            return


def test_a_webp_of_noise_is_joined(tmp_path: Path) -> None:
    data = stitch(noise(tmp_path / "noise.mov", 1), tmp_path / "noise.webp")
    assert webp_frame_ends(data) == [(k + 1) / FPS for k in range(FRAMES)]
