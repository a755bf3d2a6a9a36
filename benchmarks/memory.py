"""How much memory a render holds, with more workers and with more frames."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.contenders import render
from benchmarks.measure import adopt_orphans, run

_FRAMES = 100


def memory(frames: int) -> Iterator[tuple[str, int, int, float]]:
    """Scene, frames, workers and the peak of all processes together (MB); the last video has so many ``frames``.

    Raises:
        CommandFailed: a video could not be made.
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
