"""What a hundred short videos cost, beside what their frames cost as one long video."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Usage, adopt_orphans, run
from benchmarks.scenes import page

FILMS = 100


@dataclass(frozen=True, slots=True)
class Cost:
    """What was measured. ``own``: what as many frames take in one video, without what it takes to begin and to end it.

    ``loading`` and ``drawing`` are what the workers say: seconds up to a video's first image, and from there on.
    """

    videos: int
    frames: int
    batch: Usage
    own_wall: float
    own_cpu: float
    loading: float
    drawing: float


def batch(frames: int, runs: int, workers: int) -> Iterator[Cost]:
    """``FILMS`` videos of ``frames`` frames, and all their frames as one video, in turns.

    A video of a hundredth of the frames is rendered too: what it takes is in both, and is taken off.
    """
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="helios-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        rows = ({"name": f"Person {number}", "city": f"City {number}"} for number in range(FILMS))
        (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        for _ in range(runs):
            videos = [str(folder / "rows.jsonl"), "-o", f"{folder}/{{row}}.mp4"]
            made = _helios(folder, ["batch", str(page("card")), *videos], frames, workers)
            told = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
            drawn = [event for event in told if event.get("event") == "video-rendered"]
            video = ["render", str(page("card")), "-o", f"{folder}/video.mp4"]
            short = _helios(folder, video, frames, workers)
            long = _helios(folder, video, FILMS * frames, workers)
            share = FILMS / (FILMS - 1)
            loading = sum(event["loading"] for event in drawn)
            yield Cost(
                videos=len(drawn),
                frames=frames,
                batch=made,
                own_wall=(long.wall - short.wall) * share,
                own_cpu=(long.cpu - short.cpu) * share,
                loading=loading / workers,
                drawing=(sum(event["seconds"] for event in drawn) - loading) / workers,
            )


def _helios(folder: Path, command: list[str], frames: int, workers: int) -> Usage:
    options = ["--frames", str(frames), "--workers", str(workers), "--fresh", "--json"]
    state = {"HELIOS_STATE": str(folder / "state"), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    return run([sys.executable, "-m", "helios", *command, *options], folder / "log", env=state)
