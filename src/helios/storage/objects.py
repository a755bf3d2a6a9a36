"""What a kind of store has to be able to do, and what can go wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class RefusedError(Exception):
    """The store will not, however often it is asked: rights, names, settings."""


class FailedError(Exception):
    """The store could not this time: connections, overload, its own faults."""


class Objects(Protocol):
    """Bytes under keys, at one place. Where nothing is under a key, FileNotFoundError is raised.

    Raises (from any method):
        RefusedError: it is no use to ask again.
        FailedError, OSError: it may be.
    """

    async def put(self, key: str, data: bytes | Path) -> None:
        """Puts bytes, or a file's, under ``key``, in place of what was there."""
        ...

    async def put_new(self, key: str, data: bytes | Path) -> bool:
        """Puts bytes, or a file's, under ``key`` if nothing is there; whether it did."""
        ...

    async def get(self, key: str) -> bytes:
        """What is under ``key``."""
        ...

    async def size(self, key: str) -> int:
        """How many bytes are under ``key``."""
        ...

    async def copy(self, key: str, path: Path) -> None:
        """Writes what is under ``key`` to a file."""
        ...

    async def sizes(self, prefix: str) -> dict[str, int]:
        """The keys below ``prefix``, and how many bytes each has."""
        ...

    async def delete(self, key: str) -> None:
        """Removes what is under ``key``."""
        ...
