"""Copies each frame of image segments into a file of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from helios.adapters import WorkerAdapter
from helios.composition import image_name
from helios.errors import StitchError
from helios.output import beside, place
from helios.stitcher.command import SEGMENTS, Ffmpeg, lay_out, read_alike
from helios.stitcher.segment import Segment
from helios.text import Text


class ImageSequenceStitcher:
    """Writes one image file for each frame, numbered from ``first``."""

    def __init__(self, adapter: WorkerAdapter, first: int = 0) -> None:
        """Finds ffmpeg. Raises MissingTool if it is not installed."""
        self._ffmpeg = Ffmpeg(adapter)
        self._first = first

    async def stitch(
        self, inputs: Sequence[Path], output: Path, audio: Path | None = None, text: Text | None = None
    ) -> None:
        """Writes the frames of ``inputs`` to files named after the pattern ``output``, such as ``frame-%05d.png``.

        A new folder appears with all images in it; into an existing one they are moved one by one, each complete.
        See ``VideoStitcher.stitch``; ``audio`` and ``text`` must be None.
        """
        assert audio is text is None, "images hold neither audio nor text"
        segments = await asyncio.to_thread(read_alike, inputs)
        with beside(output, pattern=True) as work:
            await self._split(segments, work, output.suffix)
            await asyncio.to_thread(self._name, segments, work, output)

    async def _split(self, segments: Sequence[Segment], work: Path, suffix: str) -> None:
        lay_out(segments, work)
        (work / "images").mkdir()
        await self._ffmpeg.run(work, image_arguments(), f"images/%d{suffix.lower()}")

    def _name(self, segments: Sequence[Segment], work: Path, output: Path) -> None:
        wanted = sum(len(segment.times) for segment in segments)
        images = list((work / "images").iterdir())
        if len(images) != wanted or not all(image.stat().st_size for image in images):
            raise StitchError(f"there are {len(images)} images instead of {wanted}")
        folder = output.absolute().parent
        target = folder if folder.is_dir() else work / "named"
        target.mkdir(exist_ok=True)
        for number in range(wanted):
            image = work / "images" / f"{number}{output.suffix.lower()}"
            place(image, target / image_name(output.name, self._first + number))
        if target != folder:
            target.replace(folder)


def image_arguments() -> tuple[str, ...]:
    """Returns ffmpeg's arguments to write each packet to its own file."""
    return *SEGMENTS, "-c", "copy", "-f", "image2", "-start_number", "0"
