"""What videos are called: a pattern with columns in it, such as ``out/{id}.mp4``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from os.path import normpath
from pathlib import Path
from string import Formatter
from typing import Any, cast

from helios.batches.rows import Data, Row
from helios.composition import Format, parse_format
from helios.errors import UsageError, unwritable
from helios.output import check_output

_LONGEST = 255
"""Bytes that a file's name may have (ext4, and most others)."""


def name_videos(pattern: str, rows: Sequence[Data], props: object = None) -> tuple[Row, ...]:
    """The videos of ``rows``: named by ``pattern``, each with its row's values over ``props``.

    ``{row}`` is the row's number, from 1, unless a column has that name.

    Raises:
        UsageError: there are no rows, the pattern names no column, a value makes no name, or two videos would have the
            same; or what pages would get is no JSON.
    """
    if not rows:
        raise UsageError("there are no rows: a batch makes a video for each")
    if not isinstance(props, dict | None):
        raise UsageError('the props that all videos share are a JSON object, such as {"year": 2026}')
    shared = cast("dict[str, Any]", props or {})
    parts = list(_parse(pattern))
    videos: list[Row] = []
    taken: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        values: dict[str, Any] = {"row": number, **row}
        name = "".join(text + ("" if column is None else _value(values, column, number)) for text, column in parts)
        for part in Path(name).parts:
            if len(part.encode("utf-8", "surrogateescape")) > _LONGEST:
                raise UsageError(f"row {number}: the name {part[:40]}… is too long")
        if (other := taken.setdefault(normpath(name), number)) != number:
            raise UsageError(f"rows {other} and {number} would both be {name}: name videos by a column, or by {{row}}")
        videos.append(Row(number, Path(name).absolute(), {**shared, **row}))
        try:
            json.dumps(videos[-1].props, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise UsageError(f"row {number} is no JSON: {error}") from None
    return tuple(videos)


def format_for(videos: Sequence[Row]) -> Format:
    """The kind of file that all videos become.

    Raises:
        UsageError: there is no such kind, their names say different ones, or it would be images.
    """
    form = parse_format(videos[0].output)
    for video in videos:
        if parse_format(video.output) is not form:
            raise UsageError(
                f"row {video.number}: {video.output.name} would be another kind of file than {videos[0].output.name}"
            )
    if form.kind == "images":
        raise UsageError(f"a batch makes videos, and no {form.suffix} files")
    return form


def make_room(videos: Sequence[Row]) -> None:
    """Makes the folders that videos go to, and makes sure that they can be written there.

    Raises:
        OutputError: it can't be written there.
    """
    checked: set[Path] = set()
    for video in videos:
        folder = video.output.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            known = folder in checked and not video.output.exists()
        except OSError as error:
            raise unwritable(video.output, error) from None
        if not known:
            check_output(video.output)
            checked.add(folder)


def _parse(pattern: str) -> Iterator[tuple[str, str | None]]:
    wrong = f"{pattern!r} is no pattern such as out/{{id}}.mp4"
    try:
        parts = list(Formatter().parse(pattern))
    except ValueError as error:
        raise UsageError(f"{wrong}: {error}") from None
    for text, column, form, conversion in parts:
        if column == "" or form or conversion:
            raise UsageError(f"{wrong}: a column's name stands in braces, and nothing else does")
        yield text, column


def _value(values: dict[str, Any], column: str, number: int) -> str:
    if column not in values:
        known = ", ".join(values)
        raise UsageError(f"row {number} has no column {column!r} for the video's name: it has {known}")
    value = values[column]
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    if not text:
        raise UsageError(f"row {number}: {column} is {value!r}, which makes no name")
    if "/" in text or "\0" in text or text in (".", ".."):
        raise UsageError(f"row {number}: {column} is {value!r}, which would lead the video to another folder")
    return text
