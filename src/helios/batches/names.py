"""The videos' file names, from a pattern with columns, such as ``out/{id}.mp4``."""

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

_MAXIMUM_NAME = 255
"""Bytes of a file name (ext4, and most others)."""


def name_videos(pattern: str, rows: Sequence[Data], props: object = None) -> tuple[Row, ...]:
    """The videos of ``rows``, named by ``pattern``. A page's props are ``props``, updated with the values of its row.

    ``{row}`` is the row's number, from 1, unless a column has that name.

    Raises:
        UsageError: there are no rows, the pattern names an unknown column, a value can't be part of a file name, two
            videos have the same name, or the props are not JSON.
    """
    if not rows:
        raise UsageError("there are no rows: a batch renders one video for each row")
    if not isinstance(props, dict | None):
        raise UsageError('the props of a batch must be a JSON object, such as {"year": 2026}')
    shared = cast("dict[str, Any]", props or {})
    parts = list(_parse(pattern))
    videos: list[Row] = []
    taken: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        values: dict[str, Any] = {"row": number, **row}
        name = "".join(text + ("" if column is None else _value(values, column, number)) for text, column in parts)
        for part in Path(name).parts:
            if len(part.encode("utf-8", "surrogateescape")) > _MAXIMUM_NAME:
                raise UsageError(f"row {number}: the file name {part[:40]}… is longer than {_MAXIMUM_NAME} bytes")
        if (other := taken.setdefault(normpath(name), number)) != number:
            raise UsageError(f"rows {other} and {number} have the same output {name}: use {{row}} in its name")
        videos.append(Row(number, Path(name).absolute(), {**shared, **row}))
        try:
            json.dumps(videos[-1].props, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise UsageError(f"row {number} is not JSON: {error}") from None
    return tuple(videos)


def format_for(videos: Sequence[Row]) -> Format:
    """The format of all videos.

    Raises:
        UsageError: it is unknown, differs between videos, or is one of images.
    """
    form = parse_format(videos[0].output)
    for video in videos:
        if parse_format(video.output) is not form:
            raise UsageError(
                f"row {video.number}: {video.output.name} and {videos[0].output.name} have different formats: use one"
            )
    if form.kind == "images":
        raise UsageError(f"a batch can't write {form.suffix} files: use a video or an animation")
    return form


def create_folders(videos: Sequence[Row]) -> None:
    """Creates the folders of the videos, and checks that they can be written there.

    Raises:
        OutputError: they can't be.
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
    wrong = f"{pattern!r} is not a pattern such as out/{{id}}.mp4"
    try:
        parts = list(Formatter().parse(pattern))
    except ValueError as error:
        raise UsageError(f"{wrong}: {error}") from None
    for text, column, form, conversion in parts:
        if column == "" or form or conversion:
            raise UsageError(f"{wrong}: braces contain the name of a column and nothing else")
        yield text, column


def _value(values: dict[str, Any], column: str, number: int) -> str:
    if column not in values:
        known = ", ".join(values)
        raise UsageError(f"row {number} has no column {column!r} for the video's name, only {known}")
    value = values[column]
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    if not text:
        raise UsageError(f"row {number}: {column} is {value!r}, which can't be part of a file name")
    if "/" in text or "\0" in text or text in (".", ".."):
        raise UsageError(f"row {number}: {column} is {value!r}, which names another folder: use values without a slash")
    return text
