"""Memory of this process."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # glibc: malloc.h
_RETAINED = 1 << 29


def retain_freed_memory() -> None:
    """Makes the allocator retain the memory that an encoder frees, for the next one (Linux with glibc: mallopt(3)).

    An encoder takes some hundred megabytes. Returning them to the kernel and allocating them again costs as much as ten
    frames, for each video.
    """
    tune = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if tune:
        tune(_ARENA_MAX, 1)  # shared by all threads: each video has its own
        tune(_TRIM_THRESHOLD, _RETAINED)
        tune(_MMAP_THRESHOLD, _RETAINED)
