"""Reads text files."""

from __future__ import annotations

import re
from pathlib import Path

from helios.errors import UsageError


def read_lines(path: Path) -> list[str]:
    """Reads the lines of a UTF-8 file, with any line ends, without a byte order mark.

    Raises:
        UsageError: the file can't be read, or is not UTF-8.
    """
    try:
        data = path.expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: not valid UTF-8: save the file in UTF-8") from None
    if "\0" in text:
        raise UsageError(f"{path} is a binary file, not a text")
    return re.split(r"\r\n|\n|\r", text)
