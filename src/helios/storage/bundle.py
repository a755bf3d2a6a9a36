"""A folder as one archive: the same files give the same bytes, wherever and whenever they are packed."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from helios.errors import OutputError, UsageError

MAX_BYTES = 500_000_000
MAX_FILES = 20_000


@dataclass(frozen=True, slots=True)
class Bundle:
    """A packed folder: its SHA-256 in hexadecimal, how many bytes it has, and the files in it.

    ``stamps`` are size and time of the last change (nanoseconds since 1970) of each when it was packed.
    """

    path: Path
    digest: str
    size: int
    stamps: dict[str, tuple[int, int]]

    @property
    def key(self) -> str:
        """Its key in a store."""
        return f"bundles/{self.digest}.tar.gz"


def pack(folder: Path, path: Path) -> Bundle:
    """Packs a folder's files into ``path``. What is hidden (.git, .env) or leads out of the folder stays behind.

    Raises:
        UsageError: the folder is not there, or is too large to travel.
        OutputError: it can't be read.
    """
    if not folder.is_dir():
        raise UsageError(
            f"there is no folder {folder}: a job that was started elsewhere needs its page at the same path"
        )
    stamps: dict[str, tuple[int, int]] = {}
    try:
        with path.open("wb") as file:
            with (
                gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
                tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
            ):
                for name, found in _files(folder):
                    stamps[name] = _add(archive, name, found)
            size = file.tell()
        with path.open("rb") as file:
            return Bundle(path, hashlib.file_digest(file, "sha256").hexdigest(), size, stamps)
    except OSError as error:
        raise OutputError(f"{folder} can't be packed: {error.strerror} ({error.filename})") from error


def unpack(archive: BinaryIO, folder: Path) -> None:
    """Unpacks a bundle into ``folder``, which it makes. It writes regular files below ``folder`` only, with mode 644.

    Raises:
        UsageError: this is no bundle: it can't be read, or has an entry that ``pack`` never writes.
    """
    folder.mkdir()
    try:
        # Its own extraction filters came with Python 3.11.4, and the worker's image has 3.11.2.
        with tarfile.open(fileobj=archive, mode="r:gz") as packed:
            for entry in packed:
                _extract(packed, entry, folder)
    except (tarfile.TarError, EOFError, ValueError, gzip.BadGzipFile, zlib.error) as error:
        raise UsageError(f"this is no bundle: {error}") from None


def _extract(archive: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path) -> None:
    content = archive.extractfile(entry) if entry.type in (tarfile.REGTYPE, tarfile.AREGTYPE) else None
    if content is None or entry.issparse():
        raise UsageError(f"this is no bundle: {entry.name!r} is not a regular file")
    if "\0" in entry.name or not {"", ".", ".."}.isdisjoint(entry.name.split("/")):
        raise UsageError(f"this is no bundle: {entry.name!r} is not a path below its folder")
    path = folder / entry.name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            os.fchmod(file.fileno(), 0o644)
            shutil.copyfileobj(content, file)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"this is no bundle: {entry.name!r} is in it twice, or lies below a file") from None


def _add(archive: tarfile.TarFile, name: str, path: Path) -> tuple[int, int]:
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        entry = tarfile.TarInfo(name)
        entry.size = found.st_size
        entry.mode = 0o644
        archive.addfile(entry, file)
        return found.st_size, found.st_mtime_ns


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files that travel, in the order of their names."""
    inside = folder.resolve()
    found: list[tuple[str, Path]] = []
    size = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if name.startswith(".") or not path.is_file() or not path.resolve().is_relative_to(inside):
                continue
            size += path.stat().st_size
            found.append((path.relative_to(folder).as_posix(), path))
            if size > MAX_BYTES or len(found) > MAX_FILES:
                raise UsageError(
                    f"{folder} holds more than can travel to a worker ({MAX_BYTES // 1_000_000} MB, {MAX_FILES} files):"
                    " give the page a folder of its own"
                )
    yield from sorted(found)
