"""The build context of the image: a zip with the Dockerfile, the installed Helios, and a lock file of its packages."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time in a zip


def build_context() -> bytes:
    """Returns the context of ``docker build`` as a zip: the same bytes for the same source of Helios, with any
    Python and packages. The zip is not compressed, because versions of zlib differ.
    """
    here = files("helios.clouds.image")
    contents = {
        "Dockerfile": (here / "Dockerfile").read_bytes(),
        "requirements.txt": (here / "requirements.txt").read_bytes(),
        **dict(_sources(files("helios"), "helios")),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o100644 << 16  # readable by all: Lambda chooses the user
            archive.writestr(entry, contents[name])
    return packed.getvalue()


def digest(context: bytes) -> str:
    """Returns a digest of a context's names and contents, for the image's tag."""
    found = hashlib.sha256()
    with zipfile.ZipFile(io.BytesIO(context)) as archive:
        for name in sorted(archive.namelist()):
            for part in (name.encode(), archive.read(name)):
                found.update(len(part).to_bytes(8, "big"))
                found.update(part)
    return found.hexdigest()


def _sources(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for part in folder.iterdir():
        if part.is_dir() and part.name != "__pycache__":
            yield from _sources(part, f"{path}/{part.name}")
        elif part.is_file() and not part.name.endswith(".pyc"):
            yield f"{path}/{part.name}", part.read_bytes()
