"""The contract of a stitcher."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from helios.text import Text


class VideoStitcher(Protocol):
    """Joins segments into one video."""

    async def stitch(
        self, inputs: Sequence[Path], output: Path, audio: Path | None = None, text: Text | None = None
    ) -> None:
        """Joins ``inputs``, in order, into ``output``, which appears whole or not at all. ``audio`` is a file with what
        is heard, and ``text`` what is to be read, from the video's beginning.

        Raises:
            StitchError: an input is missing, broken or unlike the others, or the video is not exact.
            OutputError: the output can't be written.
        """
        ...
