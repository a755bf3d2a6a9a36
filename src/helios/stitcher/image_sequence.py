"""One file for each frame, copied out of segments of images."""

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
    """Gives each frame a file of its own. Frames are numbered from ``first`` on."""

    def __init__(self, adapter: WorkerAdapter, first: int = 0) -> None:
        """Finds ffmpeg. Raises MissingTool where there is none."""
        self._ffmpeg = Ffmpeg(adapter)
        self._first = first

    async def stitch(
        self, inputs: Sequence[Path], output: Path, audio: Path | None = None, text: Text | None = None
    ) -> None:
        """Has the frames of ``inputs`` as files; the name of ``output`` has a place for their numbers.

        A folder that is not there appears with all of them in it; into one that is, they are moved one by one, each
        whole. See ``VideoStitcher.stitch``; there is no ``audio``, and no ``text``.
        """
        assert audio is text is None, "images are silent"
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
        made = list((work / "images").iterdir())
        if len(made) != wanted or not all(image.stat().st_size for image in made):
            raise StitchError(f"there are {len(made)} images instead of {wanted}")
        folder = output.absolute().parent
        target = folder if folder.is_dir() else work / "named"
        target.mkdir(exist_ok=True)
        for number in range(wanted):
            image = work / "images" / f"{number}{output.suffix.lower()}"
            place(image, target / image_name(output.name, self._first + number))
        if target != folder:
            target.replace(folder)


def image_arguments() -> tuple[str, ...]:
    """ffmpeg's arguments for one file for each packet."""
    return *SEGMENTS, "-c", "copy", "-f", "image2", "-start_number", "0"
