"""Whether two ways to draw a frame agree.

Drawn into a canvas, edges that were turned or scaled get other antialiasing than in the browser's compositor:
single pixels on them differ a lot, and mean nothing. What is missing, misplaced or of another colour changes the
mean of an area. So images are compared by the means of blocks of 16 x 16 pixels, each of Y, Cb and Cr for itself:
those means survive JPEG, which thins the colours out and can't carry all of them back to RGB.
"""

from __future__ import annotations

from operator import sub
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

BLOCK = 16
"""Pixels along a block's side."""
THRESHOLD = 8
"""The most (of 255) that the mean of a block may differ by in frames that agree."""


def block_means(frame: VideoFrame) -> bytes:
    """The means of a frame's blocks: Y, Cb and Cr as JPEG has them, each plane row by row.

    A frame with transparency is taken as it looks on black, and its opacity is one more plane.
    """
    from av.video.reformatter import ColorRange, Colorspace, Interpolation

    if frame.format.name == "bgra":
        return b"".join(map(block_means, _on_black(frame)))
    width, height = -(-frame.width // BLOCK), -(-frame.height // BLOCK)
    small = frame.reformat(
        width,
        height,
        "yuvj444p",
        interpolation=Interpolation.AREA,
        src_colorspace=Colorspace.ITU601,
        dst_colorspace=Colorspace.ITU601,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG,
    )
    return b"".join(
        memoryview(plane)[y * plane.line_size : y * plane.line_size + width]
        for plane in small.planes
        for y in range(height)
    )


def _on_black(frame: VideoFrame) -> tuple[VideoFrame, VideoFrame]:
    """A frame's colours multiplied by its opacity, and that opacity as gray."""
    import numpy as np
    from av.video.frame import VideoFrame

    pixels = frame.to_ndarray().astype(np.uint16)
    opacity = np.repeat(pixels[..., 3:], 3, axis=2)
    shown = (pixels[..., :3] * opacity + 127) // 255
    colours, gray = (VideoFrame.from_ndarray(part.astype(np.uint8), "bgr24") for part in (shown, opacity))
    return colours, gray


def largest_difference(ones: bytes, others: bytes) -> int:
    """The largest difference between the means of two frames' blocks (0 to 255)."""
    return max(map(abs, map(sub, ones, others)))


def change(ones: bytes, others: bytes) -> int:
    """How much two frames differ all in all: the sum over their blocks."""
    return sum(map(abs, map(sub, ones, others)))
