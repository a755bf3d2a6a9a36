"""A video's text as files, and as what ffmpeg is told of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from helios.text import Text
from helios.text.containers import SUBTITLE_CODECS, language_code
from helios.text.cues import in_turn, srt_text, vtt_text

_LABELS = "labels.txt"


@dataclass(frozen=True, slots=True)
class Tags:
    """Files of subtitles, each with its language, and how they are coded in the video."""

    subtitles: tuple[tuple[str, str | None], ...]
    codec: str

    def inputs(self) -> list[str]:
        """Arguments that have them read: the subtitles, and then what holds chapters and metadata."""
        return [word for name, _ in self.subtitles for word in ("-i", name)] + ["-f", "ffmetadata", "-i", _LABELS]

    def outputs(self, first: int) -> list[str]:
        """Arguments that have them written, where the ``first`` of them is the input of that number."""
        arguments: list[str] = []
        for number, (_, language) in enumerate(self.subtitles):
            arguments += ["-map", f"{first + number}:s"]
            if language:
                arguments += [f"-metadata:s:s:{number}", f"language={language}"]
        if self.subtitles:
            arguments += ["-c:s", self.codec]
        labels = str(first + len(self.subtitles))
        return [*arguments, "-map_metadata", labels, "-map_chapters", labels]


def write_tags(text: Text, folder: Path, suffix: str, duration: Fraction) -> Tags:
    """Writes ``text`` into files in ``folder``, for a video of ``duration`` seconds in a container with that ending."""
    found: list[tuple[str, str | None]] = []
    for number, part in enumerate(text.subtitles):
        if suffix == ".webm":
            name, message = f"subtitles-{number}.vtt", vtt_text(part.cues)
        else:  # QuickTime's kin show one at a time
            name, message = f"subtitles-{number}.srt", srt_text(part.cues if suffix == ".mkv" else in_turn(part.cues))
        (folder / name).write_text(message, "utf-8")
        found.append((name, part.language and language_code(part.language, suffix)))
    (folder / _LABELS).write_text(ffmetadata(text, round(1000 * duration)), "utf-8")
    return Tags(tuple(found), SUBTITLE_CODECS.get(suffix, "copy"))


def ffmetadata(text: Text, length_ms: int) -> str:
    """Metadata, and the chapters of a video of that length, as ffmpeg reads them.

    Source: https://ffmpeg.org/ffmpeg-formats.html#Metadata-2
    """
    lines = [";FFMETADATA1", *(f"{key}={_escaped(value)}" for key, value in text.metadata.items())]
    starts = [chapter.start_ms for chapter in text.chapters]
    for chapter, (start, end) in zip(text.chapters, pairwise([*starts, length_ms]), strict=True):
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={start}", f"END={end}", f"title={_escaped(chapter.title)}"]
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return re.sub(r"([=;#\\\n])", r"\\\1", value)
