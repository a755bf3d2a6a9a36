"""Metadata, chapters and subtitles that a video file stores."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from pydantic import BaseModel, ConfigDict, Field

from helios.composition import Cue


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Chapter(_Frozen):
    """A part of the video, from ``start_ms`` (milliseconds) to the start of the next chapter."""

    start_ms: int = Field(ge=0)
    title: str


class Subtitles(_Frozen):
    """A subtitle track. ``language`` is a three-letter ISO 639 code."""

    cues: tuple[Cue, ...]
    language: str | None = Field(default=None, pattern="^[a-z]{3}$")


class Text(_Frozen):
    """The text in a video file. Times count from the start of the video."""

    metadata: dict[str, str] = {}
    chapters: tuple[Chapter, ...] = ()
    subtitles: tuple[Subtitles, ...] = ()

    def within(self, start: Fraction, end: Fraction) -> Text:
        """Returns the text for the part from ``start`` to ``end`` (seconds), with times counted from ``start``."""

        def moved(ms: int) -> int:
            return min(max(0, round(ms - 1000 * start)), length)

        length = round(1000 * (end - start))
        stops = [chapter.start_ms for chapter in self.chapters[1:]] + [round(1000 * end) + 1]
        chapters = (
            Chapter(start_ms=moved(chapter.start_ms), title=chapter.title)
            for chapter, stop in zip(self.chapters, stops, strict=False)
            if moved(chapter.start_ms) < moved(stop)
        )
        parts = (
            Subtitles(
                cues=tuple(
                    Cue(start_ms=moved(cue.start_ms), end_ms=moved(cue.end_ms), text=cue.text)
                    for cue in part.cues
                    if moved(cue.start_ms) < moved(cue.end_ms)
                ),
                language=part.language,
            )
            for part in self.subtitles
        )
        subtitles = tuple(part for part in parts if part.cues)
        return Text(metadata=self.metadata, chapters=tuple(chapters), subtitles=subtitles)


def find_late_text(text: Text | None, burned: Sequence[Cue], duration: Fraction) -> list[str]:
    """Returns warnings about chapters and subtitles that start after the end of a video of ``duration`` seconds."""
    text = text or Text()
    kinds: dict[str, Sequence[Cue | Chapter]] = {
        "chapters": text.chapters,
        "subtitles": [*burned, *(cue for part in text.subtitles for cue in part.cues)],
    }
    late = {name: sum(one.start_ms >= 1000 * duration for one in found) for name, found in kinds.items()}
    return [
        f"{count} of {len(kinds[name])} {name} start after the video's end at {float(duration):g} s, and are left out"
        for name, count in late.items()
        if count
    ]
