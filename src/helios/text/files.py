"""Reading the files that texts come from."""

from __future__ import annotations

import re
from pathlib import Path

from helios.errors import UsageError


def read_lines(path: Path) -> list[str]:
    """The lines of a file in UTF-8, however they end, without a byte order mark.

    Raises:
        UsageError: it can't be read, or is not UTF-8.
    """
    try:
        data = path.expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: this is not UTF-8: save the file in that encoding") from None
    if "\0" in text:
        raise UsageError(f"{path} is no text")
    return re.split(r"\r\n|\n|\r", text)
