"""Writes segments, and reads the numbers of their frames back."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from helios.composition import timescale

WIDTH, HEIGHT = 64, 48
_STEP = 4  # gray levels between two numbers: far more than an encoder's error
_NUMBERS = 55


def make_segment(
    path: Path,
    frames: int,
    fps: Fraction = Fraction(25),
    *,
    first: int = 0,
    codec: str = "libx264",
    size: tuple[int, int] = (WIDTH, HEIGHT),
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    muxing: dict[str, str] | None = None,
) -> Path:
    """Encodes frames that show their number (from ``first``) as a gray level, each at exactly k/fps."""
    muxing = {"video_track_timescale": str(timescale(fps))} | (muxing or {})
    with av.open(str(path), "w", format="mov" if path.suffix == ".mov" else "mp4", options=muxing) as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        stream.codec_context.time_base = 1 / fps
        stream.time_base = Fraction(1, timescale(fps))
        for k in range(frames):
            level = 16 + _STEP * ((first + k) % _NUMBERS)
            plain = np.full((size[1] * 3 // 2, size[0]), 128, np.uint8)
            plain[: size[1]] = level
            frame = av.VideoFrame.from_ndarray(plain, format="yuv420p").reformat(format=pixel_format)
            frame.pts, frame.time_base = k, 1 / fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_video(folder: Path, lengths: list[int], fps: Fraction, suffix: str = ".mp4") -> list[Path]:
    """Writes segments of these lengths, with frames numbered consecutively."""
    starts = [sum(lengths[:k]) for k in range(len(lengths))]
    return [
        make_segment(folder / f"{k}{suffix}", length, fps, first=start)
        for k, (length, start) in enumerate(zip(lengths, starts, strict=True))
    ]


def frame_numbers(path: Path) -> list[int]:
    """Returns the numbers of the decoded frames."""
    with av.open(str(path)) as container:
        levels = [frame.to_ndarray(format="yuv420p")[: frame.height].mean() for frame in container.decode(video=0)]
    return [round((float(level) - 16) / _STEP) for level in levels]


def decoding_times(path: Path) -> list[Fraction]:
    """Returns the decoding time (s) of each packet, in the order of the file."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        return [packet.dts * stream.time_base for packet in container.demux(stream) if packet.dts is not None]


def read_duration(path: Path) -> Fraction:
    """Returns the duration (s) of the video in the file's header."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        assert stream.duration is not None
        return stream.duration * stream.time_base
