"""Writes videos whose frames show their numbers, and reads the numbers back."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

WIDTH, HEIGHT = 64, 32
_SIDE = 16
_BITS = WIDTH * HEIGHT // _SIDE**2


def write_video(
    path: Path,
    frames: int,
    fps: Fraction | int = 30,
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    ticks: Sequence[int] = (),
    options: dict[str, str] | None = None,
) -> Path:
    """Writes a video of 64 x 32 pixels: each frame shows its number as eight black or white squares.

    ``ticks`` are the start times of the frames in units of 1/``fps``, if not 0, 1, 2 …. With transparency in the pixel
    format, black is transparent.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixel_format
        stream.codec_context.time_base = 1 / Fraction(fps)
        for number in range(frames):
            bits = np.array([number >> bit & 1 for bit in range(_BITS)], np.uint8) * 255
            squares = bits.reshape(HEIGHT // _SIDE, -1).repeat(_SIDE, 0).repeat(_SIDE, 1)
            image = av.VideoFrame.from_ndarray(np.repeat(squares[:, :, np.newaxis], 4, 2), format="rgba")
            image = image.reformat(format=pixel_format)
            image.pts, image.time_base = (ticks or range(frames))[number], 1 / Fraction(fps)
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    return path


def number_at(pixels: NDArray[np.uint8], x: int, y: int, dark: Sequence[int] = (0, 0, 0)) -> int | None:
    """Returns the number that an image shows at (x, y), or None if it has other colours than white and ``dark``."""
    number = 0
    for bit in range(_BITS):
        row, column = divmod(bit, WIDTH // _SIDE)
        square = pixels[y + row * _SIDE : y + (row + 1) * _SIDE, x + column * _SIDE : x + (column + 1) * _SIDE]
        colour = square[2:-2, 2:-2].astype(int)
        if np.abs(colour - 255).max() < 24:
            number |= 1 << bit
        elif np.abs(colour - np.array(dark)).max() > 24:
            return None
    return number
