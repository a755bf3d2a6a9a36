"""The table of results, as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from helios.batches.events import VideoResult
from helios.errors import UsageError
from helios.output import check_output, is_special, write_whole

_SUFFIXES = (".csv", ".jsonl")


def check_table(path: Path) -> None:
    """Checks that a table can be written to ``path``.

    Raises:
        UsageError: its suffix is neither .csv nor .jsonl.
        OutputError: it can't be written.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path} is neither a .csv nor a .jsonl file for results")
    if not is_special(path):
        check_output(path)


def write_table(results: Sequence[VideoResult], path: Path) -> None:
    """Writes results into a .csv or a .jsonl file, which appears whole or not at all.

    Raises:
        OutputError: it can't be written.
    """
    if path.suffix.lower() == ".csv":
        file = io.StringIO(newline="")
        table = csv.DictWriter(file, list(VideoResult.model_fields))
        table.writeheader()
        table.writerows(result.model_dump(mode="json") for result in results)
        text = file.getvalue()
    else:
        text = "".join(f"{result.model_dump_json()}\n" for result in results)
    write_whole(path, text.encode())
