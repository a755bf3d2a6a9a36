"""Seams between chunks: the frame after a chunk's last must equal the next chunk's first, to the bit."""

from __future__ import annotations

from collections.abc import Sequence

from helios.errors import HeliosError
from helios.orchestrator.chunk_cache import ChunkStats
from helios.orchestrator.chunks import Chunk
from helios.renderer.frame_diff import BLOCK, largest_difference
from helios.renderer.messages import FrameFingerprint


class SeamBroken(HeliosError):
    """A frame differs when it is rendered as a chunk's first: the page is not safe to render in parts."""

    code = "seam"


class Seams:
    """The seams between chunks. Each is compared as soon as both chunks are rendered."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._last = len(chunks) - 1
        self._firsts: dict[int, FrameFingerprint] = {}
        self._next_frames: dict[int, FrameFingerprint] = {}

    def add(self, chunk: Chunk, stats: ChunkStats) -> None:
        """Adds a rendered chunk.

        Raises:
            SeamBroken: it does not fit the one before or after it.
        """
        if stats.first and chunk.index > 0:
            self._firsts[chunk.index] = stats.first
            self._compare(chunk.index, chunk.start)
        if stats.next_frame and chunk.index < self._last:
            self._next_frames[chunk.index + 1] = stats.next_frame
            self._compare(chunk.index + 1, chunk.stop)

    def _compare(self, index: int, frame: int) -> None:
        if index not in self._firsts or index not in self._next_frames:
            return
        first, next_frame = self._firsts.pop(index), self._next_frames.pop(index)
        if first.hash != next_frame.hash:
            raise SeamBroken(
                f"frame {frame} differs between the end of chunk {index - 1} and the start of chunk {index}"
                f"{_describe_difference(first, next_frame)}"
            )


def _describe_difference(first: FrameFingerprint, next_frame: FrameFingerprint) -> str:
    """How much two frames differ, as the end of a message."""
    ones, others = first.block_means(), next_frame.block_means()
    if len(ones) != len(others):
        return ""
    return f", by {largest_difference(ones, others)} of 255 in the mean of an area of {BLOCK} x {BLOCK} pixels"
