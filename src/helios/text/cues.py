"""Reads subtitle files (SubRip .srt, WebVTT .vtt, SubStation .ass and .ssa), and writes SubRip and WebVTT.

Sources: https://www.matroska.org/technical/subtitles.html#srt-subtitles and https://www.w3.org/TR/webvtt1/.
"""

from __future__ import annotations

import html
import re
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from pathlib import Path

from helios.composition import Cue
from helios.errors import UsageError
from helios.text.ass import is_ass, read_ass
from helios.text.files import read_lines
from helios.text.times import format_time, parse_time

_EXAMPLE = "00:00:01,000 --> 00:00:02,500"
_SUPPORTED_TAG = re.compile(r"<(/?)([biu])(?:[.\s][^>]*)?>", re.IGNORECASE)
_REMOVED = re.compile(
    r"</?(?:c|font|lang|rt|ruby|s|span|v)(?:[.\s][^>]*)?>|<[\d:.]+>|\{\\[^}]*\}|[\x01-\x08\x0b-\x1f\x7f]",
    re.IGNORECASE,
)


def read_cues(path: Path) -> tuple[Cue, ...]:
    """Reads the subtitles in a file, sorted by start time. The content decides on the format, not the file's name.

    Positions, colours and fonts are dropped.

    Raises:
        UsageError: the file can't be read, is not a subtitle file, or has a line with wrong times.
    """
    lines = read_lines(path)
    if re.match(r"WEBVTT(\s|$)", lines[0]):
        cues = _read_vtt(lines, path)
    else:
        cues = read_ass(lines, path) if is_ass(lines) else _read_srt(lines, path)
    found = sorted((cue for cue in cues if cue.text and cue.start_ms < cue.end_ms), key=lambda cue: cue.start_ms)
    if not found:
        raise UsageError(f"{path} has no subtitles: expected .srt, .vtt or .ass, such as {_EXAMPLE} above a text")
    return tuple(found)


def _read_srt(lines: Sequence[str], path: Path) -> Iterable[Cue]:
    """A text extends to the next timing line, without the counter before that: blank lines may be part of it."""
    timings = [number for number, line in enumerate(lines) if _is_timing(line)]
    for timing, following in pairwise([*timings, len(lines)]):
        body = list(lines[timing + 1 : following])
        if following < len(lines) and body and re.fullmatch(r"\s*\d+\s*", body[-1]):
            body.pop()
        yield _parse_cue(lines[timing], body, f"{path}:{timing + 1}")


def _read_vtt(lines: Sequence[str], path: Path) -> Iterable[Cue]:
    """A block of lines is a subtitle if its first or second line has times; all others are notes or styles."""
    for blank, block in groupby(enumerate(lines), lambda numbered: not numbered[1].strip()):
        numbered = [] if blank else list(block)
        for at, (number, line) in enumerate(numbered[:2]):
            if _is_timing(line):
                body = [html.unescape(_remove_markup(text)) for _, text in numbered[at + 1 :]]
                yield _parse_cue(line, body, f"{path}:{number + 1}")
                break


def _is_timing(line: str) -> bool:
    return re.match(r"\s*[\d:.,]+\s*-->", line) is not None


def _parse_cue(timing: str, body: Iterable[str], where: str) -> Cue:
    first, _, rest = timing.partition("-->")
    start, end = parse_time(first), parse_time((rest.split() or [""])[0])
    if start is None or end is None:
        raise UsageError(f"{where}: {timing.strip()!r} are not times such as {_EXAMPLE}")
    if end < start:
        raise UsageError(f"{where}: this subtitle ends before it starts")
    lines = (_remove_markup(line).strip() for line in body)
    return Cue(start_ms=start, end_ms=end, text="\n".join(line for line in lines if line))


def _remove_markup(line: str) -> str:
    """Removes all tags but ``<i>``, ``<b>`` and ``<u>``."""
    return _SUPPORTED_TAG.sub(lambda match: f"<{match[1]}{match[2].lower()}>", _REMOVED.sub("", line))


def merge_overlaps(cues: Iterable[Cue]) -> tuple[Cue, ...]:
    """Returns subtitles that never overlap: for the time that several share, one has the lines of all."""
    waiting = deque(sorted(cues, key=lambda cue: cue.start_ms))
    edges = sorted({edge for cue in waiting for edge in (cue.start_ms, cue.end_ms)})
    shown: list[Cue] = []
    found: list[Cue] = []
    for start, end in pairwise(edges):
        shown = [cue for cue in shown if cue.end_ms > start]
        while waiting and waiting[0].start_ms <= start:
            shown.append(waiting.popleft())
        if shown:
            found.append(Cue(start_ms=start, end_ms=end, text="\n".join(cue.text for cue in shown)))
    return tuple(found)


def format_srt(cues: Iterable[Cue]) -> str:
    """Returns the content of a SubRip file."""
    return "".join(
        f"{number}\n{format_time(cue.start_ms, ',')} --> {format_time(cue.end_ms, ',')}\n{cue.text}\n\n"
        for number, cue in enumerate(cues, 1)
    )


def format_vtt(cues: Iterable[Cue]) -> str:
    """Returns the content of a WebVTT file."""
    shown = (
        f"\n{format_time(cue.start_ms)} --> {format_time(cue.end_ms)}\n"
        + re.sub(r"&lt;(/?[biu])&gt;", r"<\1>", html.escape(cue.text, quote=False))
        + "\n"
        for cue in cues
    )
    return "WEBVTT\n" + "".join(shown)
