"""Whether two ways to draw a frame agree.

Drawn into a canvas, edges that were turned or scaled get other antialiasing than in the browser's compositor:
single pixels on them differ a lot, and mean nothing. What is missing, misplaced or of another colour changes the
mean of an area. So pictures are compared by the means of blocks of 8 x 8 pixels, channel by channel: the structure
of the picture at an eighth of its size, every place of it on its own.
"""

from __future__ import annotations

from operator import sub
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

BLOCK = 8
"""Pixels along a block's side."""
THRESHOLD = 16
"""The most (of 255) that the mean of a block may differ by in frames that agree."""


def block_means(frame: VideoFrame) -> bytes:
    """The means of a bgr0 frame's blocks: three bytes each, row by row."""
    from av.video.reformatter import Interpolation

    width, height = -(-frame.width // BLOCK), -(-frame.height // BLOCK)
    small = frame.reformat(width, height, "bgr24", interpolation=Interpolation.AREA)
    (plane,) = small.planes
    rows = memoryview(plane)
    return b"".join(rows[y * plane.line_size : y * plane.line_size + 3 * width] for y in range(height))


def largest_difference(ones: bytes, others: bytes) -> int:
    """The largest difference between the means of two frames' blocks (0 to 255)."""
    return max(map(abs, map(sub, ones, others)))


def change(ones: bytes, others: bytes) -> int:
    """How much two frames differ all in all: the sum over their blocks."""
    return sum(map(abs, map(sub, ones, others)))
