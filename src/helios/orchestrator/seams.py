"""Whether chunks fit together: the frame after a chunk's last must be the next chunk's first, to the bit."""

from __future__ import annotations

from collections.abc import Sequence

from helios.errors import HeliosError
from helios.orchestrator.chunk_cache import ChunkStats
from helios.orchestrator.chunks import Chunk
from helios.renderer.frame_diff import BLOCK, largest_difference
from helios.renderer.messages import FrameFingerprint


class SeamBroken(HeliosError):
    """A frame is another one when it is drawn as a chunk's first: the page is not safe to be drawn in parts."""

    code = "seam"


class Seams:
    """The places where chunks meet. Each is looked at as soon as both are there, and then forgotten."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._last = len(chunks) - 1
        self._firsts: dict[int, FrameFingerprint] = {}
        self._afters: dict[int, FrameFingerprint] = {}

    def add(self, chunk: Chunk, stats: ChunkStats) -> None:
        """A chunk was made.

        Raises:
            SeamBroken: it does not fit to the one before it or behind it.
        """
        if stats.first and chunk.index > 0:
            self._firsts[chunk.index] = stats.first
            self._compare(chunk.index, chunk.start)
        if stats.after and chunk.index < self._last:
            self._afters[chunk.index + 1] = stats.after
            self._compare(chunk.index + 1, chunk.stop)

    def _compare(self, index: int, frame: int) -> None:
        if index not in self._firsts or index not in self._afters:
            return
        first, after = self._firsts.pop(index), self._afters.pop(index)
        if first.hash != after.hash:
            raise SeamBroken(
                f"frame {frame} is another one when chunk {index} begins with it{_difference(first, after)}"
            )


def _difference(first: FrameFingerprint, after: FrameFingerprint) -> str:
    """How much two frames differ, and where."""
    ones, others = first.block_means(), after.block_means()
    if len(ones) != len(others):
        return ""
    return f", by {largest_difference(ones, others)} of 255 in the mean of an area of {BLOCK} x {BLOCK} pixels"
