"""Encodes animated GIF and WebP files from lossless segments."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from helios.adapters import WorkerAdapter
from helios.composition.animated import gif_frame_ends, webp_frame_ends
from helios.errors import StitchError
from helios.output import beside, place
from helios.stitcher.command import SEGMENTS, Ffmpeg, lay_out, read_alike
from helios.stitcher.segment import Segment
from helios.text import Text

_PALETTE = "palette.png"


class AnimationStitcher:
    """Encodes all segments into one animation, which repeats forever."""

    def __init__(self, adapter: WorkerAdapter) -> None:
        """Finds ffmpeg. Raises MissingTool if it is not installed."""
        self._ffmpeg = Ffmpeg(adapter)

    async def stitch(
        self, inputs: Sequence[Path], output: Path, audio: Path | None = None, text: Text | None = None
    ) -> None:
        """Encodes ``inputs`` into ``output``. See ``VideoStitcher.stitch``; ``audio`` and ``text`` must be None."""
        assert audio is text is None, "animations hold neither audio nor text"
        segments = await asyncio.to_thread(read_alike, inputs)
        gif = output.suffix.lower() == ".gif"
        alpha = "a" in segments[0].format.pixel_format
        with beside(output) as folder:
            animation = folder / f"animation{output.suffix.lower()}"
            lay_out(segments, folder)
            if gif:
                await self._ffmpeg.run(folder, palette_arguments(alpha=alpha), _PALETTE)
            arguments = gif_arguments() if gif else webp_arguments(alpha=alpha)
            await self._ffmpeg.run(folder, arguments, animation.name)
            _check(segments, _frame_ends(animation), Fraction(1, 100 if gif else 1000))
            await asyncio.to_thread(place, animation, output)


def palette_arguments(*, alpha: bool) -> tuple[str, ...]:
    """Returns ffmpeg's arguments to choose a palette for the whole video, with a transparent entry for ``alpha``."""
    return *SEGMENTS, "-vf", f"palettegen=reserve_transparent={alpha:d}"


def gif_arguments() -> tuple[str, ...]:
    """Returns ffmpeg's arguments for a GIF with that palette.

    Error diffusion is limited to the changed rectangle, so that static areas do not flicker.
    """
    dither = "paletteuse=dither=sierra2_4a:diff_mode=rectangle"
    return *SEGMENTS, "-i", _PALETTE, "-lavfi", dither, "-loop", "0"


def webp_arguments(*, alpha: bool) -> tuple[str, ...]:
    """Returns ffmpeg's arguments for an animated WebP."""
    form = "yuva420p" if alpha else "yuv420p"
    return *SEGMENTS, "-c:v", "libwebp_anim", "-pix_fmt", form, "-quality", "80", "-loop", "0"


def _frame_ends(path: Path) -> list[Fraction]:
    read = gif_frame_ends if path.suffix == ".gif" else webp_frame_ends
    try:
        return read(path.read_bytes())
    except ValueError as error:
        raise StitchError(f"ffmpeg wrote a broken animation: {error}") from error


def _check(segments: Sequence[Segment], found: Sequence[Fraction], tick: Fraction) -> None:
    """Checks that each image ends with a frame, and the last one with the video.

    One image may stand for several equal frames. Encoders estimate the duration of the last one.
    """
    ends: list[Fraction] = []
    start = Fraction(0)
    for segment in segments:
        start += segment.duration
        ends += [*(start - segment.duration + time - segment.times[0] for time in segment.times[1:]), start]
    if not found or abs(found[-1] - ends[-1]) > 2 * tick:
        raise StitchError(f"the animation lasts {float(found[-1] if found else 0)} s instead of {float(ends[-1])} s")
    frames = iter(ends)
    for time in found[:-1]:
        if not any(abs(time - end) <= tick for end in frames):
            raise StitchError(f"an image of the animation ends at {float(time)} s, where no frame does")
