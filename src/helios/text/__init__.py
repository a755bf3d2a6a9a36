"""What goes with a video as text: metadata, chapters and subtitles."""

from helios.text.containers import check_container
from helios.text.reading import read_text
from helios.text.text import Chapter, Subtitles, Text, left_out

__all__ = ["Chapter", "Subtitles", "Text", "check_container", "left_out", "read_text"]
