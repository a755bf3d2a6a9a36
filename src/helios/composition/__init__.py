"""What is to be drawn: source, size, exact rate, length, props. Not where, nor in how many parts."""

from helios.composition.composition import DEFAULT_SIZE, MAX_FRAMES, Composition, compose, parse_range
from helios.composition.cue import Cue
from helios.composition.declared import Declared, parse_meta
from helios.composition.format import ENCODERS, FORMATS, Format, image_name, named, names_each_frame, parse_format
from helios.composition.page_settings import Network, PageSettings
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
    "PageSettings",
    "Source",
    "compose",
    "frame_time_ms",
    "image_name",
    "named",
    "names_each_frame",
    "parse_format",
    "parse_meta",
    "parse_range",
    "parse_rate",
    "timescale",
]
