"""Reads chapter files: one line for each chapter, with its start time and title."""

from __future__ import annotations

from pathlib import Path

from helios.errors import UsageError
from helios.text.files import read_lines
from helios.text.text import Chapter
from helios.text.times import parse_time


def read_chapters(path: Path) -> tuple[Chapter, ...]:
    """Reads the chapters in a file of lines such as ``1:02.500 Title``; blank lines are ignored.

    Raises:
        UsageError: the file can't be read, a line is not a chapter, a chapter does not start after the one before
            it, or the first one does not start at 0:00, which some containers can't express.
    """
    found: list[Chapter] = []
    for number, line in enumerate(read_lines(path), 1):
        time, _, title = line.strip().partition(" ")
        if not time:
            continue
        start = parse_time(time)
        if start is None or not title.strip():
            raise UsageError(f"{path}:{number}: {line.strip()[:60]!r} is not a chapter such as 1:02.500 Title")
        if not found and start > 0:
            raise UsageError(f"{path}:{number}: the first chapter must start at 0:00, not {time}")
        if found and start <= found[-1].start_ms:
            raise UsageError(f"{path}:{number}: the chapter at {time} does not start after the one before it")
        found.append(Chapter(start_ms=start, title=title.strip()))
    if not found:
        raise UsageError(f"{path} has no chapters: write a line such as 1:02.500 Title for each one")
    return tuple(found)
