"""Reads videos and images back."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray


def frame_times(path: Path) -> list[Fraction]:
    """Returns the times (s) of the frames that a player shows."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        return [frame.pts * stream.time_base for frame in container.decode(stream) if frame.pts is not None]


def frame_pixels(path: Path, index: int) -> NDArray[np.uint8]:
    """Returns one frame of a video as an array of shape (height, width, 3)."""
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == index:
                return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    raise AssertionError(f"{path} has no frame {index}")


def image_pixels(path: Path) -> NDArray[np.uint8]:
    """Returns a PNG as an array of shape (height, width, 3)."""
    return frame_pixels(path, 0)


def assert_exact(path: Path, frames: int, fps: Fraction) -> None:
    """Asserts that the video has this number of frames, each at exactly k/fps."""
    assert frame_times(path) == [k / fps for k in range(frames)]
