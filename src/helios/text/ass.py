"""Reads Advanced SubStation Alpha (.ass) and its older form (.ssa) as plain text.

Source: http://www.tcax.org/docs/ass-specs.htm
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from helios.composition import Cue
from helios.errors import UsageError
from helios.text.times import parse_time

_SECTION = re.compile(r"\[(script info|v4\+? styles|events)\]", re.IGNORECASE)
_FIELDS = ("layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text")
"""The order of a line's fields in files that do not give it; both forms have the same one."""
_DRAWING = re.compile(r"\{[^}]*\\p[1-9][^}]*\}.*?(?=\{[^}]*\\p0|$)")
_OVERRIDES = re.compile(r"\{[^}]*\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def is_ass(lines: Iterable[str]) -> bool:
    """Whether the first line with content is the heading of a section of such a file."""
    content = (line.strip() for line in lines if line.strip() and not line.lstrip().startswith(";"))
    return _SECTION.match(next(content, "")) is not None


def read_ass(lines: Sequence[str], path: Path) -> Iterator[Cue]:
    """Yields the dialogue lines, in the order of the file, without styles, positions, effects and vector drawings.

    Raises:
        UsageError: a dialogue line is incomplete, or its times are wrong.
    """
    fields = _FIELDS
    seen: set[Cue] = set()
    in_events = False
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("["):
            in_events = line.strip().lower() == "[events]"
        key, _, value = line.strip().partition(":")
        if in_events and key == "Format":
            fields = tuple(name.strip().lower() for name in value.split(","))
            if not {"start", "end", "text"} <= set(fields) or fields[-1] != "text":
                raise UsageError(f"{path}:{number}: this format needs the fields Start and End, and Text as its last")
        elif in_events and key == "Dialogue":
            cue = _parse_dialogue(value, fields, f"{path}:{number}")
            if cue not in seen:  # typesetters repeat a text in several layers
                seen.add(cue)
                yield cue


def _parse_dialogue(value: str, fields: Sequence[str], where: str) -> Cue:
    values = value.split(",", len(fields) - 1)
    if len(values) < len(fields):
        raise UsageError(f"{where}: this dialogue line has {len(values)} fields instead of {len(fields)}")
    found = dict(zip(fields, values, strict=True))
    start, end = parse_time(found["start"]), parse_time(found["end"])
    if start is None or end is None:
        raise UsageError(f"{where}: {found['start']},{found['end']} are not times such as 0:00:01.00,0:00:02.50")
    if end < start:
        raise UsageError(f"{where}: this subtitle ends before it starts")
    return Cue(start_ms=start, end_ms=end, text=_plain_text(found["text"]))


def _plain_text(text: str) -> str:
    text = _OVERRIDES.sub("", _DRAWING.sub("", text))
    text = text.replace(r"\n", " ").replace(r"\h", "\xa0")
    lines = (_CONTROL.sub("", line).strip() for line in text.split(r"\N"))
    return "\n".join(line for line in lines if line)
