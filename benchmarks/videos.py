"""Checks the videos of all contenders."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_BLANK = 2.0
"""Standard deviation of luma below which an image counts as blank."""


class WrongVideo(Exception):
    """A video has wrong frames."""


@dataclass(frozen=True, slots=True)
class BatchItem:
    """A checked video; ``middle`` is the luma of its middle frame."""

    frames: int
    megabytes: float
    middle: Pixels


def read(path: Path, frames: int) -> BatchItem:
    """Decodes a whole video.

    Raises:
        WrongVideo: the number of frames is wrong, or the middle frame is blank.
    """
    middle: Pixels | None = None
    count = 0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if count == frames // 2:
                middle = np.asarray(frame.to_ndarray(format="gray"), dtype=np.uint8)
            count += 1
    if count != frames:
        raise WrongVideo(f"{count} frames instead of {frames}")
    assert middle is not None
    if float(middle.std()) < _BLANK:
        raise WrongVideo("frame in the middle is blank")
    return BatchItem(count, path.stat().st_size / 1e6, middle)


def likeness(one: Pixels, other: Pixels) -> float:
    """Returns the peak signal-to-noise ratio of two images, in dB."""
    if one.shape != other.shape:
        raise WrongVideo(f"images of {one.shape[1]}x{one.shape[0]} instead of {other.shape[1]}x{other.shape[0]}")
    error = float(np.mean((one.astype(np.float64) - other) ** 2))
    return 10 * math.log10(255**2 / error) if error else math.inf
