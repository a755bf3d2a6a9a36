"""Chapter files: a line for each, its time and its title."""

from __future__ import annotations

from pathlib import Path

from helios.errors import UsageError
from helios.text.files import read_lines
from helios.text.text import Chapter
from helios.text.times import parse_time


def read_chapters(path: Path) -> tuple[Chapter, ...]:
    """The chapters in a file of lines such as ``1:02.500 Title``; blank lines say nothing.

    Raises:
        UsageError: it can't be read, or a line is no chapter, or not behind the one before; the first begins later
            than 0:00, which players of some containers don't know.
    """
    found: list[Chapter] = []
    for number, line in enumerate(read_lines(path), 1):
        time, _, title = line.strip().partition(" ")
        if not time:
            continue
        start = parse_time(time)
        if start is None or not title.strip():
            raise UsageError(f"{path}:{number}: {line.strip()[:60]!r} is no chapter: write 1:02.500 Title")
        if not found and start > 0:
            raise UsageError(f"{path}:{number}: the first chapter begins at {time}, and must begin at 0:00")
        if found and start <= found[-1].start_ms:
            raise UsageError(f"{path}:{number}: the chapter at {time} is not behind the one before it")
        found.append(Chapter(start_ms=start, title=title.strip()))
    if not found:
        raise UsageError(f"{path} has no chapters: write a line such as 1:02.500 Title for each")
    return tuple(found)
