"""What is to be drawn: source, size, exact rate, length, props. Not where, nor in how many parts."""

from helios.composition.composition import DEFAULT_SIZE, MAX_FRAMES, Composition, Network, compose, parse_range
from helios.composition.cue import Cue
from helios.composition.declared import Declared, parse_meta
from helios.composition.format import ENCODERS, FORMATS, Format, format_of, named, names_each_frame, picture_name
from helios.composition.rate import frame_time_ms, parse_rate, timescale
from helios.composition.source import Source

__all__ = [
    "DEFAULT_SIZE",
    "ENCODERS",
    "FORMATS",
    "MAX_FRAMES",
    "Composition",
    "Cue",
    "Declared",
    "Format",
    "Network",
    "Source",
    "compose",
    "format_of",
    "frame_time_ms",
    "named",
    "names_each_frame",
    "parse_meta",
    "parse_range",
    "parse_rate",
    "picture_name",
    "timescale",
]
