"""The comparison of frames that were captured in two ways.

In a canvas, edges that were rotated or scaled have other antialiasing than in the browser's compositor: single pixels
on them differ a lot, without any meaning. Content that is missing, misplaced or of another colour changes the mean of
an area. So frames are compared by the means of blocks of 16 x 16 pixels, of Y, Cb and Cr separately: those means
survive JPEG, which subsamples the colours and does not store all of RGB.
"""

from __future__ import annotations

from operator import sub
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

BLOCK = 16
"""Width and height of a block in pixels."""
THRESHOLD = 8
"""The largest difference (of 255) between the means of a block in frames that agree."""


def block_means(frame: VideoFrame) -> bytes:
    """Returns the means of a frame's blocks: Y, Cb and Cr as in JPEG, each plane row by row.

    A frame with transparency is composited on black, and its opacity is one more plane.
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
    """Returns a frame's colours multiplied by its opacity, and that opacity as gray."""
    import numpy as np
    from av.video.frame import VideoFrame

    pixels = frame.to_ndarray().astype(np.uint16)
    opacity = np.repeat(pixels[..., 3:], 3, axis=2)
    shown = (pixels[..., :3] * opacity + 127) // 255
    colours, gray = (VideoFrame.from_ndarray(part.astype(np.uint8), "bgr24") for part in (shown, opacity))
    return colours, gray


def largest_difference(ones: bytes, others: bytes) -> int:
    """Returns the largest difference between the means of two frames' blocks (0 to 255)."""
    return max(map(abs, map(sub, ones, others)))


def total_difference(ones: bytes, others: bytes) -> int:
    """Returns the total difference of two frames: the sum over their blocks."""
    return sum(map(abs, map(sub, ones, others)))
