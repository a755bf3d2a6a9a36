"""The character encoding of a project's text files, as a browser finds it when it opens the file itself."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path

_PRESCAN = 1024
"""Bytes of an HTML document that browsers always search for its encoding
(https://html.spec.whatwg.org/multipage/parsing.html#prescan-a-byte-stream-to-determine-its-encoding)."""
_BLOCK = 1 << 16
_IN_HEAD = ("html", "head", "title", "base", "link", "meta", "style", "script", "noscript", "object", "template")
_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CSS = re.compile(rb'@charset "([^"]*)";')
_XML = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["']([^"']+)""")
_CONTENT = re.compile(r"""charset\s*=\s*["']?([^\s"';]+)""", re.IGNORECASE)


def with_charset(kind: str, path: Path) -> str:
    """Returns the media type ``kind`` for the file at ``path``, with ``charset=utf-8`` where the file is in UTF-8.

    A file that declares its encoding, or whose encoding is unknown, gets the bare type: browsers prefer the charset of
    the type to that of the file.
    """
    if not _is_text(kind):
        return kind
    found = path.stat()
    return f"{kind}; charset=utf-8" if _is_plain_utf8(kind, path, found.st_size, found.st_mtime_ns) else kind


def _is_text(kind: str) -> bool:
    return kind.startswith("text/") or kind.endswith(("/xml", "+xml", "/json", "+json", "javascript", "ecmascript"))


@lru_cache(maxsize=256)
def _is_plain_utf8(kind: str, path: Path, size: int, changed: int) -> bool:
    """Whether a file is in UTF-8 and does not declare it. Plain ASCII is the same in every encoding."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    ascii_only = True
    with path.open("rb") as file:
        head = file.read(_BLOCK)
        if head.startswith(_BOMS) or _names_encoding(kind, head):
            return False
        block = head
        try:
            while block:
                ascii_only = ascii_only and block.isascii()
                decoder.decode(block)
                block = file.read(_BLOCK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return not ascii_only


def _names_encoding(kind: str, head: bytes) -> bool:
    pattern = _CSS if kind == "text/css" else _XML
    named = pattern.match(head)
    if named and _is_known(named[1].decode("latin-1")):
        return True
    return kind == "text/html" and _Prescan(head.decode("latin-1")).found


def _is_known(label: str) -> bool:
    try:
        codecs.lookup(label.strip())
    except (LookupError, ValueError):
        return False
    return True


class _Prescan(HTMLParser):
    """Searches for an encoding in a document's ``<meta>``, in its first bytes and, as Chromium does, in its head."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found = False
        self._in_head = True
        for start in range(0, len(text), _PRESCAN):
            self.feed(text[start : start + _PRESCAN])
            if self.found or not self._in_head:
                break

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_head = self._in_head and tag in _IN_HEAD
        if tag != "meta":
            return
        message = {name: value or "" for name, value in reversed(attrs)}  # of two with one name, the first counts
        label = message.get("charset", "")
        if message.get("http-equiv", "").strip().lower() == "content-type":
            content = _CONTENT.search(message.get("content", ""))
            label = label or (content[1] if content else "")
        self.found = self.found or _is_known(label)
