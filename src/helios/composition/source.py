"""Where a composition's page comes from."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlsplit

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
        scheme = urlsplit(label).scheme.lower()
        if scheme in ("http", "https"):
            return cls(root=None, entry=label)
        if scheme and "://" in label:
            raise UsageError(f"{label}: only http and https addresses, files and folders can be rendered")
        path = Path(label).expanduser().absolute()
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
