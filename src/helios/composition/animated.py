"""When the frames of an animated GIF or WebP end, as the blocks of its container say.

FFmpeg is no help here: it has no demuxer for animated WebP, takes a comment of a GIF for a frame, and a delay of 0 for
100 ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL = 0xF9


def gif_frame_ends(data: bytes) -> list[Fraction]:
    """When each frame of a GIF ends, in seconds from its start.

    Raises:
        ValueError: it is no GIF, or it is cut off.
    """
    if data[:3] != b"GIF":
        raise ValueError("it is no GIF")
    try:
        return [Fraction(delay, 100) for delay in accumulate(_gif_delays(data))]
    except IndexError:
        raise ValueError("the GIF is cut off") from None


def webp_frame_ends(data: bytes) -> list[Fraction]:
    """When each frame of an animated WebP ends, in seconds from its start; none of a still one.

    Source: WebP container specification, ANMF.
    """
    delays = (
        int.from_bytes(data[start + 12 : start + 15], "little") for name, start in _riff_chunks(data) if name == b"ANMF"
    )
    return [Fraction(delay, 1000) for delay in accumulate(delays)]


def _gif_delays(data: bytes) -> Iterator[int]:
    """How long each image is shown, in 1/100 s. Source: GIF89a, appendix B (grammar) and sections 17 to 27."""
    delay = 0
    at = 13 + _color_table_size(data[10])
    while (kind := data[at]) != _TRAILER:
        if kind == _IMAGE:
            yield delay
            delay = 0
            at = _after_blocks(data, at + 11 + _color_table_size(data[at + 9]))
        elif kind == _EXTENSION:
            if data[at + 1] == _GRAPHIC_CONTROL:
                delay = data[at + 4] | data[at + 5] << 8
            at = _after_blocks(data, at + 2)
        else:
            raise ValueError(f"the GIF has an unknown block 0x{kind:02x} at byte {at}")


def _color_table_size(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    """Where a chain of sub-blocks, which an empty one ends, is over."""
    while size := data[at]:
        at += 1 + size
    return at + 1


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """The name of each chunk, and where its content starts."""
    at = 12
    while at + 8 <= len(data):
        yield data[at : at + 4], at + 8
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
