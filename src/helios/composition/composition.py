"""What is to be drawn."""

from __future__ import annotations

import math
from fractions import Fraction

from pydantic import BaseModel, ConfigDict, Field

from helios.composition.declared import Declared
from helios.composition.page_settings import PageSettings
from helios.composition.source import Source
from helios.errors import UsageError

DEFAULT_SIZE = (1920, 1080)
DEFAULT_FPS = Fraction(30)
MAX_FRAMES = 100_000_000
MAX_SIDE = 16384  # x264 and Chromium's surfaces end here


class Composition(BaseModel):
    """A video of a page: ``frames`` frames of ``width`` × ``height`` pixels, frame k at k/fps seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Source
    width: int = Field(gt=0, le=MAX_SIDE)
    height: int = Field(gt=0, le=MAX_SIDE)
    fps: Fraction = Field(gt=0)
    frames: int = Field(gt=0)
    page: PageSettings = PageSettings()

    @property
    def duration(self) -> Fraction:
        """Seconds, exact."""
        return self.frames / self.fps


def compose(source: Source, declared: Declared, page: PageSettings = PageSettings()) -> Composition:  # noqa: B008 (frozen)
    """The composition of ``source`` with the ``declared`` size, rate and length.

    A duration that is not a whole number of frames is rounded to the nearest.

    Raises:
        UsageError: no length is declared, or a value is out of range.
    """
    width = DEFAULT_SIZE[0] if declared.width is None else declared.width
    height = DEFAULT_SIZE[1] if declared.height is None else declared.height
    for name, side in (("width", width), ("height", height)):
        if not 0 < side <= MAX_SIDE:
            raise UsageError(f"{name} must be from 1 to {MAX_SIDE} pixels, not {side}")
    fps = declared.fps or DEFAULT_FPS
    if declared.frames is not None:
        frames = declared.frames
    elif declared.duration is not None:
        if not math.isfinite(declared.duration) or declared.duration <= 0:
            raise UsageError(f"duration must be above 0 seconds, not {declared.duration:g}")
        frames = math.floor(Fraction(declared.duration).limit_denominator(10**6) * fps + Fraction(1, 2))
    else:
        raise UsageError(
            "the video has no length: give --duration or --frames, "
            'or put <meta name="helios" content="duration=8"> into the page'
        )
    if frames <= 0:
        raise UsageError(f"the video must have at least 1 frame, not {frames}")
    if frames > MAX_FRAMES:
        raise UsageError(f"the video must have at most {MAX_FRAMES:,} frames, not {frames:,}")
    return Composition(source=source, width=width, height=height, fps=fps, frames=frames, page=page)


def parse_range(text: str, frames: int) -> range:
    """The frames that ``A:B`` names, A included and B not; either may be left out.

    Raises:
        UsageError: not a range, empty, or outside of the video.
    """
    first, colon, last = text.partition(":")
    try:
        start, stop = int(first or 0), int(last or frames)
    except ValueError:
        colon = ""
        start = stop = 0
    if not colon:
        raise UsageError(f"range {text!r} is not A:B, as in 0:150")
    if not 0 <= start < stop <= frames:
        raise UsageError(f"range {text} is empty or outside of the video, which has frames 0:{frames}")
    return range(start, stop)
