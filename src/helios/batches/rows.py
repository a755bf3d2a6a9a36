"""Rows of data: the props of one video each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from helios.errors import UsageError

Data = Mapping[str, Any]
"""A row of the caller: values by column."""


@dataclass(frozen=True, slots=True)
class Row:
    """One video of a batch: its number, from 1, its output file, and its page's props."""

    number: int
    output: Path
    props: dict[str, Any]


def read_rows(path: Path) -> list[Data]:
    """The rows of a .csv file, with the columns' names in the first line and strings as values, or of a .jsonl file,
    with a JSON object in each line.

    Raises:
        UsageError: the file can't be read; the message names the line.
    """
    read = {".csv": _read_csv, ".jsonl": _read_jsonl}.get(path.suffix.lower())
    if not read:
        raise UsageError(f"{path} is neither a .csv nor a .jsonl file of rows")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}, line {line} is not UTF-8: save the file as UTF-8") from None
    return list(read(text, path))


def _read_csv(text: str, path: Path) -> Iterator[Data]:
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = next(lines, list[str]())
        if twice := [name for name in columns if columns.count(name) > 1]:
            raise UsageError(f"{path}, line 1: two columns are named {twice[0]!r}")
        for values in lines:
            if not values:
                continue
            if len(values) != len(columns):
                raise UsageError(
                    f"{path}, line {lines.line_num}: it has {len(values)} values for {len(columns)} columns"
                )
            yield dict(zip(columns, values, strict=True))
    except csv.Error as error:
        raise UsageError(f"{path}, line {lines.line_num} is not CSV: {error}") from None


def _read_jsonl(text: str, path: Path) -> Iterator[Data]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row: object = json.loads(line, parse_constant=_refuse)
        except ValueError as error:
            raise UsageError(f"{path}, line {number} is not JSON: {error}") from None
        if not isinstance(row, dict):
            raise UsageError(f'{path}, line {number}: a row is a JSON object, such as {{"name": "Ada"}}')
        yield cast("dict[str, Any]", row)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not valid JSON")
