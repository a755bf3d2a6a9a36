"""Where a composition's page comes from."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from helios.errors import UsageError


class Source(BaseModel):
    """A page: a file inside a project folder, or an address.

    With ``root`` set, ``entry`` is the page's path inside that folder, and the page reaches the whole
    folder and no file outside of it. Without, ``entry`` is an http(s) address.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path | None
    entry: str

    @classmethod
    def parse(cls, text: str | Path) -> Source:
        """The source that ``text`` names: a file, a folder with index.html, or an http(s) address.

        Raises:
            UsageError: there is no such page.
        """
        label = str(text)
        scheme = re.match(r"([a-z][a-z0-9+.-]*)://", label, re.IGNORECASE)
        if scheme and scheme[1].lower() in ("http", "https"):
            return cls(root=None, entry=label)
        if scheme:
            raise UsageError(f"{label}: only http and https addresses, files and folders can be rendered")
        path = Path(label)
        with contextlib.suppress(RuntimeError):  # no such user: a file whose name starts with ~
            path = path.expanduser()
        try:
            str(path.absolute()).encode()
            return cls._of_path(label, path.absolute())
        except UnicodeEncodeError:
            raise UsageError(f"{label!a}: a page's path must be UTF-8") from None
        except OSError as error:
            raise UsageError(f"{label}: {error.strerror}") from None

    @classmethod
    def _of_path(cls, label: str, path: Path) -> Source:
        if path.is_dir():
            page = path / "index.html"
            if not page.is_file():
                raise UsageError(f"{label}: the folder has no index.html")
            return cls(root=path, entry="index.html")
        if not path.exists():
            raise UsageError(f"{label}: no such page")
        if not path.is_file():
            raise UsageError(f"{label}: not a file")
        return cls(root=path.parent, entry=path.name)

    def url(self, origin: str) -> str:
        """The page's address when ``root`` is served at ``origin``."""
        return self.entry if self.root is None else f"{origin}/{quote(self.entry)}"
