"""Chunks: consecutive frames that one worker renders."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from helios.errors import UsageError


@dataclass(frozen=True, slots=True)
class Chunk:
    """Frames ``start`` to ``stop`` (not included), which one worker renders into one segment."""

    index: int
    start: int
    stop: int

    @property
    def frames(self) -> int:
        """The number of frames."""
        return self.stop - self.start

    def __str__(self) -> str:
        return f"chunk {self.index} (frames {self.start}:{self.stop})"


def split(frames: range, most: int, multiple: int = 1) -> tuple[Chunk, ...]:
    """``frames`` in chunks of at most ``most`` frames, whose lengths differ by 1 at most, none of them empty.

    The number of chunks is a multiple of ``multiple``, as far as the frames suffice, so that as many workers finish
    together.
    """
    if most < 1:
        raise UsageError(f"a chunk must have at least 1 frame, not {most}")
    count = -(-len(frames) // most)
    count = min(-(-count // multiple) * multiple, len(frames))
    bounds = [frames.start + len(frames) * i // count for i in range(count + 1)]
    return tuple(Chunk(i, *pair) for i, pair in enumerate(pairwise(bounds)))
