"""What is to be drawn: source, size, exact rate, length, props. Not where, nor in how many parts."""

from helios.composition.composition import DEFAULT_SIZE, MAX_FRAMES, Composition, Network, compose, parse_range
from helios.composition.declared import Declared, parse_meta
from helios.composition.rate import frame_time_ms, parse_rate, timescale
from helios.composition.source import Source

__all__ = [
    "DEFAULT_SIZE",
    "MAX_FRAMES",
    "Composition",
    "Declared",
    "Network",
    "Source",
    "compose",
    "frame_time_ms",
    "parse_meta",
    "parse_range",
    "parse_rate",
    "timescale",
]
