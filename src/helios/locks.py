"""File locks between processes. The kernel releases them when their process exits, however it exits.

The package ``filelock`` can't ask whether a lock is held without taking it: a status query would then keep a runner
from starting.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Self


class FileLock:
    """An exclusive lock on a file, which is created (Linux: fcntl(2), open file description locks).

    Two objects exclude each other within one process too. Leaving its block, or ``close``, releases the lock.
    """

    _FORMAT = "hhqqi"  # struct flock

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._request = struct.pack(self._FORMAT, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)

    def acquire(self) -> bool:
        """Takes the lock without waiting; returns False if another holds it."""
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, self._request)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def is_held(self) -> bool:
        """Returns whether another object or process holds the lock, without taking it."""
        answer = fcntl.fcntl(self._descriptor, fcntl.F_OFD_GETLK, self._request)
        return struct.unpack(self._FORMAT, answer)[0] != fcntl.F_UNLCK

    def close(self) -> None:
        """Releases the lock."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
