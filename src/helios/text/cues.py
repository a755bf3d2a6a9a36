"""Subtitle files: SubRip (.srt) and WebVTT (.vtt).

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
from helios.text.files import read_lines
from helios.text.times import parse_time, time_text

_EXAMPLE = "00:00:01,000 --> 00:00:02,500"
_KEPT = re.compile(r"<(/?)([biu])(?:[.\s][^>]*)?>", re.IGNORECASE)
_DROPPED = re.compile(
    r"</?(?:c|font|lang|rt|ruby|s|span|v)(?:[.\s][^>]*)?>|<[\d:.]+>|\{\\[^}]*\}|[\x01-\x08\x0b-\x1f\x7f]",
    re.IGNORECASE,
)


def read_cues(path: Path) -> tuple[Cue, ...]:
    """The subtitles in a file, in the order of their times. Where they are to stand, and in which colour, is left out.

    Raises:
        UsageError: it can't be read, or is no such file.
    """
    lines = read_lines(path)
    is_vtt = re.match(r"WEBVTT(\s|$)", lines[0]) is not None
    cues = _vtt(lines, path) if is_vtt else _srt(lines, path)
    found = sorted((cue for cue in cues if cue.text and cue.start_ms < cue.end_ms), key=lambda cue: cue.start_ms)
    if not found:
        raise UsageError(f"{path} is no subtitle file: it has no line such as {_EXAMPLE}, with a text below it")
    return tuple(found)


def _srt(lines: Sequence[str], path: Path) -> Iterable[Cue]:
    """A text goes on until the next times, without the counter before those: a blank line need not end it."""
    marks = [number for number, line in enumerate(lines) if _is_timing(line)]
    for mark, following in pairwise([*marks, len(lines)]):
        body = list(lines[mark + 1 : following])
        if following < len(lines) and body and re.fullmatch(r"\s*\d+\s*", body[-1]):
            body.pop()
        yield _cue(lines[mark], body, f"{path}:{mark + 1}")


def _vtt(lines: Sequence[str], path: Path) -> Iterable[Cue]:
    """A block of lines is a subtitle if its first or second line has times; any other is a note or a style."""
    for blank, block in groupby(enumerate(lines), lambda numbered: not numbered[1].strip()):
        numbered = [] if blank else list(block)
        for at, (number, line) in enumerate(numbered[:2]):
            if _is_timing(line):
                body = [html.unescape(_plain(text)) for _, text in numbered[at + 1 :]]
                yield _cue(line, body, f"{path}:{number + 1}")
                break


def _is_timing(line: str) -> bool:
    return re.match(r"\s*[\d:.,]+\s*-->", line) is not None


def _cue(timing: str, body: Iterable[str], where: str) -> Cue:
    begin, _, rest = timing.partition("-->")
    start, end = parse_time(begin), parse_time((rest.split() or [""])[0])
    if start is None or end is None:
        raise UsageError(f"{where}: {timing.strip()!r} are no times: write {_EXAMPLE}")
    if end < start:
        raise UsageError(f"{where}: this subtitle ends before it begins")
    lines = (_plain(line).strip() for line in body)
    return Cue(start_ms=start, end_ms=end, text="\n".join(line for line in lines if line))


def _plain(line: str) -> str:
    """A line whose only marks are ``<i>``, ``<b>`` and ``<u>``."""
    return _KEPT.sub(lambda match: f"<{match[1]}{match[2].lower()}>", _DROPPED.sub("", line))


def in_turn(cues: Iterable[Cue]) -> tuple[Cue, ...]:
    """The same subtitles, never two at a time: where some overlap, there is one with the lines of all."""
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


def srt_text(cues: Iterable[Cue]) -> str:
    """A SubRip file."""
    return "".join(
        f"{number}\n{time_text(cue.start_ms, ',')} --> {time_text(cue.end_ms, ',')}\n{cue.text}\n\n"
        for number, cue in enumerate(cues, 1)
    )


def vtt_text(cues: Iterable[Cue]) -> str:
    """A WebVTT file."""
    shown = (
        f"\n{time_text(cue.start_ms)} --> {time_text(cue.end_ms)}\n"
        + re.sub(r"&lt;(/?[biu])&gt;", r"<\1>", html.escape(cue.text, quote=False))
        + "\n"
        for cue in cues
    )
    return "WEBVTT\n" + "".join(shown)
