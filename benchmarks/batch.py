"""Measures the cost of a hundred short videos, compared with one long video of the same frames."""

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

VIDEOS = 100


@dataclass(frozen=True, slots=True)
class Cost:
    """The result. ``own_…`` is the cost of the same frames in one video, without the cost to start and finish it.

    ``loading`` and ``drawing`` are reported by the workers: seconds until a video's first image, and after it.
    """

    videos: int
    frames: int
    batch: Usage
    own_wall: float
    own_cpu: float
    loading: float
    drawing: float


def batch(frames: int, runs: int, workers: int) -> Iterator[Cost]:
    """``VIDEOS`` videos of ``frames`` frames, alternating with one video of all frames.

    A video of a hundredth of the frames is rendered too, to subtract the fixed cost of a video.
    """
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="helios-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        rows = ({"name": f"Person {number}", "city": f"City {number}"} for number in range(VIDEOS))
        (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        for _ in range(runs):
            videos = [str(folder / "rows.jsonl"), "-o", f"{folder}/{{row}}.mp4"]
            usage = _helios(folder, ["batch", str(page("card")), *videos], frames, workers)
            events = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
            drawn = [event for event in events if event.get("event") == "video-rendered"]
            video = ["render", str(page("card")), "-o", f"{folder}/video.mp4"]
            short = _helios(folder, video, frames, workers)
            long = _helios(folder, video, VIDEOS * frames, workers)
            share = VIDEOS / (VIDEOS - 1)
            loading = sum(event["loading"] for event in drawn)
            yield Cost(
                videos=len(drawn),
                frames=frames,
                batch=usage,
                own_wall=(long.wall - short.wall) * share,
                own_cpu=(long.cpu - short.cpu) * share,
                loading=loading / workers,
                drawing=(sum(event["seconds"] for event in drawn) - loading) / workers,
            )


def _helios(folder: Path, command: list[str], frames: int, workers: int) -> Usage:
    options = ["--frames", str(frames), "--workers", str(workers), "--fresh", "--json"]
    state = {"HELIOS_STATE": str(folder / "state"), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    return run([sys.executable, "-m", "helios", *command, *options], folder / "log", env=state)
