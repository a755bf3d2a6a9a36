"""The contract of a kind of store, and its errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

Moved = Callable[[], None]
"""Called, from any thread, whenever some bytes of a transfer have moved."""


class RefusedError(Exception):
    """The store refuses, and a retry can't help: rights, names, settings."""


class FailedError(Exception):
    """The store failed, and a retry may help: connections, overload, its own faults."""


@dataclass(slots=True)
class Download:
    """How far a download has come: the first ``size`` bytes of a ``version`` are in ``file``.

    A download that broke off goes on from there, as long as the object still has that version.
    """

    file: BinaryIO
    size: int = 0
    version: str | None = None

    def write(self, piece: bytes) -> None:
        """Appends what came next."""
        self.file.write(piece)
        self.size += len(piece)

    def restart(self) -> None:
        """Drops what has come."""
        self.file.seek(0)
        self.file.truncate()
        self.size, self.version = 0, None


def check_key(key: str) -> None:
    """Makes sure that a key stays below its store's prefix.

    Raises:
        RefusedError: it does not.
    """
    if any(name in ("", ".", "..") for name in key.split("/")):
        raise RefusedError(f"{key!r} is no key")


class Objects(Protocol):
    """Bytes under keys, at one place. Where nothing is under a key, FileNotFoundError is raised.

    Transfers call ``moved`` for every few bytes, which distinguishes slow transfers from ones that hang.

    Raises (from any method):
        RefusedError: it is no use to ask again.
        FailedError, OSError: it may be.
    """

    async def put(self, key: str, data: bytes | Path, moved: Moved) -> None:
        """Puts bytes, or a file's, under ``key``, in place of what was there."""
        ...

    async def put_new(self, key: str, data: bytes | Path, moved: Moved) -> bool:
        """Puts bytes, or a file's, under ``key`` if nothing is there; whether it did."""
        ...

    async def read(self, key: str, download: Download, moved: Moved) -> None:
        """Completes a download of the object under ``key``."""
        ...

    async def size(self, key: str) -> int:
        """How many bytes are under ``key``."""
        ...

    async def sizes(self, prefix: str) -> dict[str, int]:
        """The keys below ``prefix``, and how many bytes each has."""
        ...

    async def delete(self, key: str) -> None:
        """Removes what is under ``key``."""
        ...
