"""Metadata, chapters and subtitles: read, checked, and limited to the rendered part of the video."""

from helios.text.containers import check_container
from helios.text.reading import read_text
from helios.text.text import Chapter, Subtitles, Text, find_late_text

__all__ = ["Chapter", "Subtitles", "Text", "check_container", "find_late_text", "read_text"]
