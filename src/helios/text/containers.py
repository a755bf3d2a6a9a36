"""What each container can say."""

from __future__ import annotations

from helios.errors import UsageError
from helios.text.languages import language_code
from helios.text.text import Text

SUBTITLE_CODECS = {".mp4": "mov_text", ".m4v": "mov_text", ".mov": "mov_text", ".mkv": "copy", ".webm": "copy"}
"""What ffmpeg codes subtitles with for a container. No other holds chapters or metadata either."""

_MP4 = (
    "title artist album album_artist composer comment description synopsis genre date copyright keywords show "
    "episode_id network grouping lyrics"
)
_MOV = "title artist album comment genre date copyright"
_KEYS = {".mp4": _MP4, ".m4v": _MP4, ".mov": _MOV}
"""The metadata that ffmpeg writes into containers which do not take any."""
_OURS = ("creation_time", "duration", "encoder", "language")
"""What ffmpeg says by itself, or takes for something else."""


def check_container(text: Text, suffix: str) -> None:
    """Makes sure that a container, by its ending, can hold all of that.

    Raises:
        UsageError: it can't.
    """
    for name in ("subtitles", "chapters", "metadata"):
        if getattr(text, name) and suffix not in SUBTITLE_CODECS:
            fallback = "; with ,burn they are drawn into the image" if name == "subtitles" else ""
            raise UsageError(f"{suffix} can't hold {name}: {' '.join(SUBTITLE_CODECS)} can{fallback}")
    known = _KEYS.get(suffix)
    for key in text.metadata:
        if known and key not in known.split():
            takes = known.replace(" ", ", ")
            raise UsageError(f"{suffix} can't hold metadata named {key}: it takes {takes}; .mkv and .webm take any")
        if key in _OURS:
            raise UsageError(f"metadata can't be named {key}: what stands there is written by ffmpeg")
    for part in text.subtitles:
        if part.language:
            language_code(part.language, suffix)
