"""Times in text files."""

from __future__ import annotations

import re

_TIME = re.compile(r"(?:(\d{1,5}):)?(\d{1,5}):(\d{1,2})(?:[.,](\d{1,3})\d*)?", re.ASCII)


def parse_time(text: str) -> int | None:
    """Returns the milliseconds of ``[H:]M:SS[.mmm]``, with a dot or a comma; None if the text is not a time."""
    match = _TIME.fullmatch(text.strip())
    if match is None or int(match[3]) > 59 or (match[1] and int(match[2]) > 59):
        return None
    minutes = int(match[1] or 0) * 60 + int(match[2])
    return (minutes * 60 + int(match[3])) * 1000 + int((match[4] or "0").ljust(3, "0"))


def format_time(ms: int, point: str = ".") -> str:
    """Formats milliseconds as subtitle files do: 00:01:02.500."""
    seconds, ms = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{ms:03}"
