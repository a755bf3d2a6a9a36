"""The texts that each container can hold."""

from __future__ import annotations

from helios.errors import UsageError
from helios.text.languages import container_language
from helios.text.text import Text

SUBTITLE_CODECS = {".mp4": "mov_text", ".m4v": "mov_text", ".mov": "mov_text", ".mkv": "copy", ".webm": "copy"}
"""ffmpeg's subtitle codec for each container. Other containers hold neither chapters nor metadata either."""

_MP4 = (
    "title artist album album_artist composer comment description synopsis genre date copyright keywords show "
    "episode_id network grouping lyrics"
)
_MOV = "title artist album comment genre date copyright"
_KEYS = {".mp4": _MP4, ".m4v": _MP4, ".mov": _MOV}
"""The metadata keys that ffmpeg writes into containers with a fixed set of keys."""
_RESERVED = ("creation_time", "duration", "encoder", "language")
"""Keys that ffmpeg sets itself, or interprets."""


def check_container(text: Text, suffix: str) -> None:
    """Checks that a container (such as ``.mp4``) can hold ``text``.

    Raises:
        UsageError: it can't hold one of them.
    """
    for name in ("subtitles", "chapters", "metadata"):
        if getattr(text, name) and suffix not in SUBTITLE_CODECS:
            fallback = "; add ,burn to draw them into the image" if name == "subtitles" else ""
            raise UsageError(f"{suffix} can't hold {name}: use {', '.join(SUBTITLE_CODECS)}{fallback}")
    known = _KEYS.get(suffix)
    for key in text.metadata:
        if known and key not in known.split():
            takes = known.replace(" ", ", ")
            raise UsageError(f"{suffix} can't hold metadata {key}: it takes {takes}; .mkv and .webm take any")
        if key in _RESERVED:
            raise UsageError(f"the metadata key {key} is reserved: ffmpeg sets it")
    for part in text.subtitles:
        if part.language:
            container_language(part.language, suffix)
