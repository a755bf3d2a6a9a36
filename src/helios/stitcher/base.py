"""The interface of stitchers."""

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
        """Joins ``inputs``, in order, into ``output``, which appears complete or not at all.

        ``audio`` is a file, ``text`` the metadata, chapters and subtitles; both count from the start of the video.

        Raises:
            StitchError: an input is missing, broken or of another format, or a frame's time is wrong.
            OutputError: the output can't be written.
        """
        ...
