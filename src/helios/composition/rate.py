"""Frame rates as exact rationals."""

from __future__ import annotations

import re
from fractions import Fraction

from helios.errors import UsageError

_NTSC = {"23.976": 24, "23.98": 24, "29.97": 30, "47.952": 48, "47.95": 48, "59.94": 60, "119.88": 120}
MAX_FPS = 1000


def parse_rate(text: str | int | float | Fraction) -> Fraction:
    """Frames per second as an exact fraction.

    ``30`` and ``"30000/1001"`` mean what they say; the decimals that stand for the NTSC rates
    (``23.976``, ``29.97``, ``59.94`` …) become n·1000/1001, as SMPTE ST 12-1 defines them.

    Raises:
        UsageError: not a number, not positive, or above 1000.
    """
    label = str(text).strip()
    match = re.fullmatch(r"(-?\d+(?:\.\d+)?)(?:/(-?\d+))?", label)
    if match is None or match[2] == "0":
        raise UsageError(f"fps {label!r} is not a frame rate: write 30, 23.976 or 30000/1001")
    ntsc = _NTSC.get(label)
    rate = Fraction(ntsc * 1000, 1001) if ntsc else Fraction(match[1]) / int(match[2] or 1)
    if not 0 < rate <= MAX_FPS:
        raise UsageError(f"fps must be above 0 and at most {MAX_FPS}, not {label}")
    return rate


def frame_time_ms(frame: int, fps: Fraction) -> float:
    """The time of ``frame`` on the page's clock, in milliseconds: the double nearest to frame/fps."""
    return float(Fraction(frame * 1000) / fps)


def timescale(fps: Fraction) -> int:
    """Ticks per second in which every k/fps is a whole number: a multiple of the rate's numerator, at least 10,000.

    The floor keeps other programs' rounding to ticks far below a frame.
    """
    return fps.numerator * -(-10_000 // fps.numerator)
