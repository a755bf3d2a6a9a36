"""Memory of this process."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # glibc: malloc.h
_KEPT = 1 << 29


def keep_freed_memory() -> None:
    """Has what an encoder gives back stay in the process, for the next one (Linux with glibc: mallopt(3)).

    An encoder takes some hundred megabytes. Given back to the kernel and had from it anew, they cost as much as ten
    frames, for each video.
    """
    tune = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if tune:
        tune(_ARENA_MAX, 1)  # one that all threads share: each video has a thread of its own
        tune(_TRIM_THRESHOLD, _KEPT)
        tune(_MMAP_THRESHOLD, _KEPT)
