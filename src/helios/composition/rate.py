"""Frame rates as exact rationals."""

from __future__ import annotations

import re
from fractions import Fraction

from helios.errors import UsageError

_NTSC = {"23.976": 24, "23.98": 24, "29.97": 30, "47.952": 48, "47.95": 48, "59.94": 60, "119.88": 120}
MAX_FPS = 1000
_FINEST = 1_000_000  # ticks per second: ffmpeg joins segments by whole microseconds


def parse_rate(text: str | int | float | Fraction) -> Fraction:
    """Frames per second as an exact fraction.

    ``30`` and ``"30000/1001"`` mean what they say; the decimals that stand for the NTSC rates
    (``23.976``, ``29.97``, ``59.94`` …) become n·1000/1001, as SMPTE ST 12-1 defines them. Any other decimal
    means the nearest fraction over at most 1001, so that ``30000 / 1001`` as a float is that rate too.

    Raises:
        UsageError: not a number, not positive, above 1000, or too fine to be exact.
    """
    label = str(text).strip()
    match = re.fullmatch(r"(-?\d{1,20}(?:\.\d{1,40})?)(?:/(-?\d{1,20}))?", label)
    if match is None or int(match[2] or 1) == 0:
        raise UsageError(f"fps {label!r} is not a frame rate: write 30, 23.976 or 30000/1001")
    rate = Fraction(match[1])
    if match[2]:
        rate /= int(match[2])
    elif match[1].rstrip("0") in _NTSC:
        rate = Fraction(_NTSC[match[1].rstrip("0")] * 1000, 1001)
    else:
        rate = rate.limit_denominator(1001)
    if not 0 < rate <= MAX_FPS:
        raise UsageError(f"fps must be above 0 and at most {MAX_FPS}, not {label}")
    if rate.numerator > _FINEST:
        raise UsageError(f"fps {label} is too fine to be exact: its numerator may be {_FINEST} at most")
    return rate


def frame_time_ms(frame: int, fps: Fraction) -> float:
    """The time of ``frame`` on the page's clock, in milliseconds: the double nearest to frame/fps."""
    return float(Fraction(frame * 1000) / fps)


def timescale(fps: Fraction) -> int:
    """Ticks per second in which every k/fps is a whole number: a multiple of the rate's numerator, at least 10,000.

    The floor keeps other programs' rounding to ticks far below a frame.
    """
    return fps.numerator * -(-10_000 // fps.numerator)
