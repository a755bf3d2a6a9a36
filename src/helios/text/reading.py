"""From what a caller says to a video's text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

from helios.composition import Cue
from helios.errors import UsageError
from helios.text.chapters import read_chapters
from helios.text.cues import in_turn, read_cues
from helios.text.languages import parse_language
from helios.text.text import Subtitles, Text

_FORM = "FILE[,burn][,language=en]"


def read_text(
    metadata: Mapping[str, str] | None, chapters: str | PathLike[str] | None, subtitles: Sequence[str]
) -> tuple[Text | None, tuple[Cue, ...]]:
    """What goes into the video's file, if anything does, and the subtitles that are drawn into its image.

    ``chapters`` is a file, ``subtitles`` are such as ``video.srt,language=en`` or ``video.srt,burn``.

    Raises:
        UsageError: a file is missing or can't be understood, or a setting is none.
    """
    burned: list[Cue] = []
    muxed: list[Subtitles] = []
    for text in subtitles:
        source, settings = _split(text)
        burn = "burn" in settings
        language = settings.get("language")
        if burn and language is not None:
            raise UsageError(f"--subtitles {text}: what is drawn into the image has no language. It is {_FORM}")
        cues = read_cues(Path(source))
        if burn:
            burned += cues
        else:
            muxed.append(Subtitles(cues=cues, language=None if language is None else parse_language(language)))
    found = Text(
        metadata=_checked(metadata or {}),
        chapters=read_chapters(Path(chapters)) if chapters is not None else (),
        subtitles=tuple(muxed),
    )
    return found if found != Text() else None, in_turn(burned)


def _checked(metadata: Mapping[str, str]) -> dict[str, str]:
    for key, value in metadata.items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", key):
            raise UsageError(f"metadata is named by letters, digits and _, as in title=Hello, not {key!r}")
        if not _is_text(value):
            raise UsageError(f"metadata {key}={value!r} is no text")
    return {key.lower(): value for key, value in metadata.items()}


def _is_text(value: str) -> bool:
    try:
        return bool(value.strip()) and b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def _split(text: str) -> tuple[str, dict[str, str]]:
    """A file's name, and its settings."""
    source, *settings = text.split(",")
    while settings and not _is_setting(settings[0]):
        source = f"{source},{settings.pop(0)}"  # a comma of the file's name
    if wrong := [setting for setting in settings if not _is_setting(setting)]:
        raise UsageError(f"--subtitles {text}: {wrong[0]!r} is no setting. It is {_FORM}")
    return source, {key.strip(): value for key, _, value in (setting.partition("=") for setting in settings)}


def _is_setting(text: str) -> bool:
    return text.strip() == "burn" or text.strip().startswith("language=")
