"""What the image is built from: a zip with the Dockerfile, Helios as it is here, and a lock file of its packages."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

_BEGINNING = (1980, 1, 1, 0, 0, 0)  # of time, in a zip


def build_context() -> bytes:
    """A zip that ``docker build`` can use, once unpacked; the same bytes for the same source of Helios. It is not
    compressed: versions of zlib differ.

    Nothing of the Python that runs this, or of what is installed for it, gets in: the lock file is for the image's own.
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
            entry = zipfile.ZipInfo(name, _BEGINNING)
            entry.external_attr = 0o100644 << 16  # readable by whoever Lambda runs it as
            archive.writestr(entry, contents[name])
    return packed.getvalue()


def digest(context: bytes) -> str:
    """A digest of a context's names and contents, for the image's tag."""
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
