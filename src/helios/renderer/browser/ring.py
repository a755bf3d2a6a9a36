"""Raw frames from a page: a file of its private file system that this process maps.

The browser stores an origin's private files (OPFS) under its profile. That folder is a link to one in memory where
there is room. The file is unlinked once both sides have opened it, so the kernel frees it with the processes.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import secrets
import shutil
import struct
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from helios.errors import BrowserError

SLOTS = 4
"""Frames that may be in transit at the same time."""
MEMORY = Path("/dev/shm")
_SPARE = 16 << 20  # bytes of memory that are left for other programs
_PREFIX = "helios-ring-"
_RESERVED = "reserved"  # a file of the size of the rings that are not mapped yet
_FOOTER = struct.Struct("<4I")  # frame, sequence number, width, height: stage/writer.js


class Ring:
    """Slots for images of one size, BGRX, row by row; slot n modulo their count holds image n.

    With ``alpha`` they are BGRA, their colours multiplied by their opacity.
    """

    def __init__(self, folder: Path, size: tuple[int, int], *, alpha: bool = False) -> None:
        self._folder = folder
        self.size = size
        self.alpha = alpha
        self._pixels = 4 * size[0] * size[1]
        self.slot = self._pixels + _FOOTER.size
        self.token = secrets.token_hex(16)
        self.bytes = SLOTS * self.slot + len(self.token)
        self._map: mmap.mmap | None = None

    def map(self) -> None:
        """Maps the file that the page has opened, and unlinks it.

        Raises:
            BrowserError: there is no such file, or no room for it.
        """
        for path in self._folder.glob("*/t/*/*"):
            if path.is_file() and path.stat().st_size == self.bytes:
                with path.open("r+b") as file:
                    file.seek(-len(self.token), os.SEEK_END)
                    if file.read() != self.token.encode():
                        continue
                    path.unlink()
                    try:
                        _allocate(file.fileno(), self.bytes, self._folder / _RESERVED)
                    except OSError as error:
                        raise BrowserError(f"there is no room for images in {self._folder}: {error}") from None
                    self._map = mmap.mmap(file.fileno(), self.bytes, prot=mmap.PROT_READ)
                    return
        raise BrowserError("the browser did not store its frames where Helios expects them")

    def image(self, sequence: int, frame: int) -> memoryview:
        """Returns the pixels of image ``sequence``, which must be of ``frame``.

        Raises:
            BrowserError: the slot holds another image.
        """
        assert self._map is not None, "a ring is mapped before it is read"
        at = sequence % SLOTS * self.slot
        found = _FOOTER.unpack_from(self._map, at + self._pixels)
        if found != (frame, sequence % 2**32, *self.size):
            raise BrowserError(f"expected image {sequence} of frame {frame} in the ring, found {found}")
        return memoryview(self._map)[at : at + self._pixels]


@contextmanager
def ring_folder(profile: Path, size: tuple[int, int], rings: int = 1) -> Generator[Path]:
    """Yields the folder for private files of a browser with ``profile``: in memory, if its rings have room there.

    The block removes it at its end; after a crash, the next process that opens a ring does.
    """
    files = profile / "Default" / "File System"
    files.parent.mkdir(parents=True)
    _sweep()
    with ExitStack() as stack:
        if os.access(MEMORY, os.W_OK):
            folder = stack.enter_context(_locked_folder())
            if _reserve(folder / _RESERVED, rings * Ring(folder, size).bytes):
                files.symlink_to(folder)
                yield folder
                return
            stack.close()
        yield files


@contextmanager
def _locked_folder() -> Generator[Path]:
    """Yields a folder in memory, locked while this process lives."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=MEMORY))
        with contextlib.suppress(FileNotFoundError):  # swept by another process before it was locked
            descriptor = os.open(folder, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if folder.is_dir():
                break
            os.close(descriptor)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


@contextmanager
def _memory_lock() -> Generator[None]:
    """Keeps other processes from reserving or allocating memory during the block."""
    descriptor = os.open(MEMORY, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _reserve(place: Path, size: int) -> bool:
    with _memory_lock():
        if shutil.disk_usage(MEMORY).free < size + _SPARE:
            return False
        with place.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        return True


def _allocate(descriptor: int, size: int, reserved: Path) -> None:
    """Allocates all blocks of a file, from the reserved ones if there are any."""
    if not reserved.exists():
        os.posix_fallocate(descriptor, 0, size)
        return
    with _memory_lock():
        os.truncate(reserved, max(0, reserved.stat().st_size - size))
        os.posix_fallocate(descriptor, 0, size)


def _sweep() -> None:
    """Removes the folders of processes that were killed."""
    for folder in MEMORY.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
