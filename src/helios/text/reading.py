"""Reads metadata, chapters and subtitles as the user gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

from helios.composition import Cue
from helios.errors import UsageError
from helios.text.chapters import read_chapters
from helios.text.cues import merge_overlaps, read_cues
from helios.text.languages import parse_language
from helios.text.text import Subtitles, Text

_FORM = "FILE[,burn][,language=en]"


def read_text(
    metadata: Mapping[str, str] | None, chapters: str | PathLike[str] | None, subtitles: Sequence[str]
) -> tuple[Text | None, tuple[Cue, ...]]:
    """Returns the text to store in the video file, None if there is none, and the subtitles to draw into its frames.

    ``chapters`` is a file; ``subtitles`` are files with settings: ``video.srt,language=en`` or ``video.srt,burn``.

    Raises:
        UsageError: a file is missing or malformed, or a setting is unknown.
    """
    burned: list[Cue] = []
    muxed: list[Subtitles] = []
    for text in subtitles:
        source, settings = _split(text)
        burn = "burn" in settings
        language = settings.get("language")
        if burn and language is not None:
            raise UsageError(f"--subtitles {text}: burned subtitles take no language. Syntax: {_FORM}")
        cues = read_cues(Path(source))
        if burn:
            burned += cues
        else:
            muxed.append(Subtitles(cues=cues, language=None if language is None else parse_language(language)))
    found = Text(
        metadata=_check_metadata(metadata or {}),
        chapters=read_chapters(Path(chapters)) if chapters is not None else (),
        subtitles=tuple(muxed),
    )
    return found if found != Text() else None, merge_overlaps(burned)


def _check_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    for key, value in metadata.items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", key):
            raise UsageError(f"metadata key {key!r} is invalid: use letters, digits and _, as in title=Hello")
        if not _is_text(value):
            raise UsageError(f"metadata {key}={value!r} is empty or not valid text")
    return {key.lower(): value for key, value in metadata.items()}


def _is_text(value: str) -> bool:
    try:
        return bool(value.strip()) and b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def _split(text: str) -> tuple[str, dict[str, str]]:
    """Splits a file's name from its settings."""
    source, *settings = text.split(",")
    while settings and not _is_setting(settings[0]):
        source = f"{source},{settings.pop(0)}"  # the comma is part of the file's name
    if wrong := [setting for setting in settings if not _is_setting(setting)]:
        raise UsageError(f"--subtitles {text}: {wrong[0]!r} is not a setting. Syntax: {_FORM}")
    return source, {key.strip(): value for key, _, value in (setting.partition("=") for setting in settings)}


def _is_setting(text: str) -> bool:
    return text.strip() == "burn" or text.strip().startswith("language=")
