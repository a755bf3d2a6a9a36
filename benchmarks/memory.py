"""Measures the memory of a render with more workers and with more frames."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.contenders import render
from benchmarks.measure import adopt_orphans, run

_FRAMES = 100


def memory(frames: int) -> Iterator[tuple[str, int, int, float]]:
    """Yields scene, frames, workers and the peak memory (MB) of all processes; the last video has ``frames`` frames.

    Raises:
        CommandFailed: a render failed.
    """
    adopt_orphans()
    for scene, count, workers in (
        ("dom", _FRAMES, 1),
        ("dom", _FRAMES, 2),
        ("static", _FRAMES, 1),
        ("static", frames, 1),
    ):
        with tempfile.TemporaryDirectory(prefix="helios-bench-", ignore_cleanup_errors=True) as folder:
            options = ("--workers", str(workers), "--capture", "fast", "--preset", "ultrafast")
            command = render(scene, count, Path(folder, "video.mp4"), *options)
            yield scene, count, workers, run(command, Path(folder, "log")).peak_mb
