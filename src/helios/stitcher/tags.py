"""Writes a video's text into files that ffmpeg reads, and gives ffmpeg's arguments for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from helios.text import Text
from helios.text.containers import SUBTITLE_CODECS, container_language
from helios.text.cues import format_srt, format_vtt, merge_overlaps

_TAGS = "tags.txt"


@dataclass(frozen=True, slots=True)
class Tags:
    """Subtitle files, each with its language, and the subtitle codec of the video."""

    subtitles: tuple[tuple[str, str | None], ...]
    codec: str

    def inputs(self) -> list[str]:
        """Returns ffmpeg's input arguments: the subtitle files, then the file with chapters and metadata."""
        return [word for name, _ in self.subtitles for word in ("-i", name)] + ["-f", "ffmetadata", "-i", _TAGS]

    def outputs(self, first: int) -> list[str]:
        """Returns ffmpeg's output arguments; ``first`` is the number of the first subtitle file among the inputs."""
        arguments: list[str] = []
        for number, (_, language) in enumerate(self.subtitles):
            arguments += ["-map", f"{first + number}:s"]
            if language:
                arguments += [f"-metadata:s:s:{number}", f"language={language}"]
        if self.subtitles:
            arguments += ["-c:s", self.codec]
        tags = str(first + len(self.subtitles))
        return [*arguments, "-map_metadata", tags, "-map_chapters", tags]


def write_tags(text: Text, folder: Path, suffix: str, duration: Fraction) -> Tags:
    """Writes ``text`` into files in ``folder``, for a video of ``duration`` seconds in a ``suffix`` container."""
    found: list[tuple[str, str | None]] = []
    for number, part in enumerate(text.subtitles):
        if suffix == ".webm":
            name, content = f"subtitles-{number}.vtt", format_vtt(part.cues)
        else:  # MP4 and QuickTime show one text at a time
            cues = part.cues if suffix == ".mkv" else merge_overlaps(part.cues)
            name, content = f"subtitles-{number}.srt", format_srt(cues)
        (folder / name).write_text(content, "utf-8")
        found.append((name, part.language and container_language(part.language, suffix)))
    (folder / _TAGS).write_text(format_ffmetadata(text, round(1000 * duration)), "utf-8")
    return Tags(tuple(found), SUBTITLE_CODECS.get(suffix, "copy"))


def format_ffmetadata(text: Text, length_ms: int) -> str:
    """Returns metadata and chapters in ffmpeg's own format, for a video of ``length_ms`` milliseconds.

    Source: https://ffmpeg.org/ffmpeg-formats.html#Metadata-2
    """
    lines = [";FFMETADATA1", *(f"{key}={_escape(value)}" for key, value in text.metadata.items())]
    starts = [chapter.start_ms for chapter in text.chapters]
    for chapter, (start, end) in zip(text.chapters, pairwise([*starts, length_ms]), strict=True):
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={start}", f"END={end}", f"title={_escape(chapter.title)}"]
    return "\n".join(lines) + "\n"


def _escape(value: str) -> str:
    return re.sub(r"([=;#\\\n])", r"\\\1", value)
