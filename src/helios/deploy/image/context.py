"""What the image is built from: a zip with the Dockerfile, Helios as it is here, and the versions it runs with."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from importlib.resources.abc import Traversable

_PACKAGE = "helios-render"
_EXTRAS = ("aws", "http")
"""The worker's doors: one image serves both clouds."""
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)\s*(?:\[(?P<extras>[^]]*)])?")
_OF_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
_BEGINNING = (1980, 1, 1, 0, 0, 0)  # of time, in a zip


def build_context() -> bytes:
    """A zip that ``docker build`` can use, once unpacked; the same bytes for the same content."""
    here = files("helios.deploy.image")
    contents = {
        "Dockerfile": (here / "Dockerfile").read_bytes(),
        "requirements.txt": _lines(_requirements(_PACKAGE, frozenset(_EXTRAS))) + (here / "lambda.txt").read_bytes(),
        "constraints.txt": _lines(_versions()),
        **dict(_sources(files("helios"), "helios")),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, _BEGINNING)
            entry.compress_type = zipfile.ZIP_DEFLATED
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


def _requirements(package: str, extras: frozenset[str]) -> list[str]:
    """What an installed package asks for, with these extras."""
    found: list[str] = []
    for line in distribution(package).requires or []:
        of = _OF_EXTRA.findall(line)
        if not of:
            found.append(line)
        elif extras.intersection(of):
            found.append(line.partition(";")[0].strip())
    return found


def _versions() -> list[str]:
    """The versions of all that is installed here for Helios.

    They are constraints: what only this kind of machine needs is not installed in the image.
    """
    versions: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    wanted = [f"{_PACKAGE}[{','.join(_EXTRAS)}]"]
    while wanted:
        line = wanted.pop()
        match = _REQUIREMENT.match(line)
        assert match, f"metadata of installed packages is well formed: {line}"
        name = re.sub(r"[-_.]+", "-", match["name"]).lower()
        extras = frozenset(re.findall(r"[\w.-]+", match["extras"] or ""))
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = distribution(name).version
            wanted += _requirements(name, extras)
    del versions[_PACKAGE]  # it comes as it is
    return sorted(f"{name}=={version}" for name, version in versions.items())


def _sources(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for part in folder.iterdir():
        if part.is_dir() and part.name != "__pycache__":
            yield from _sources(part, f"{path}/{part.name}")
        elif part.is_file() and not part.name.endswith(".pyc"):
            yield f"{path}/{part.name}", part.read_bytes()


def _lines(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
