"""Renders the same scenes with all contenders, alternately, so that a slowdown of the machine affects all."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median

from benchmarks import contenders, floors, videos
from benchmarks.contenders import Contender
from benchmarks.measure import CommandFailed, Usage, adopt_orphans, run
from helios.renderer.messages import CaptureChoice


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure. ``workers`` are the numbers of workers for Helios."""

    scenes: tuple[str, ...]
    frames: int
    runs: int
    workers: tuple[int | None, ...]
    peers: bool
    floors: bool


@dataclass(slots=True)
class Row:
    """The results of one contender on one scene: a usage for each run, and its video or failure."""

    scene: str
    name: str
    usages: list[Usage] = field(default_factory=list[Usage])
    frames: int | None = None
    megabytes: float | None = None
    likeness: float | None = None
    failure: str | None = None

    def median(self) -> Usage | None:
        """Returns the median of each figure over all runs."""
        if not self.usages:
            return None
        each = [asdict(usage) for usage in self.usages]
        return Usage(**{name: median(usage[name] for usage in each) for name in each[0]})

    def spread(self) -> float:
        """Returns the range of the runs' wall seconds, relative to their median."""
        walls = [usage.wall for usage in self.usages]
        return (max(walls) - min(walls)) / median(walls)


async def compare(options: Options, cores: int) -> list[Row]:
    """Returns a row for each contender on each scene, Helios first."""
    adopt_orphans()
    rows: list[Row] = []
    for scene in options.scenes:
        with tempfile.TemporaryDirectory(prefix="helios-bench-", ignore_cleanup_errors=True) as folder:
            _say(f"{scene}: drawing its frames without loss, to encode and to compare with")
            await floors.draw_raw(scene, options.frames, Path(folder))
            rows += _scene(scene, await _field(scene, options, cores, Path(folder)), options, Path(folder))
    return rows


async def _field(scene: str, options: Options, cores: int, folder: Path) -> list[Contender]:
    captures: tuple[CaptureChoice, ...] = ("auto", "faithful")
    field_ = [
        contenders.helios(scene, options.frames, capture, workers, folder)
        for capture in captures
        for workers in options.workers
    ]
    if options.floors:
        browsers = {"draw": await floors.browsers(scene, cores), "encode": cores}
        field_ += [contenders.floor(kind, scene, options.frames, browsers[kind], folder) for kind in contenders.FLOORS]
    if options.peers:
        field_ += contenders.peers(scene, options.frames, cores, folder)
    return field_


def _scene(scene: str, field_: list[Contender], options: Options, folder: Path) -> list[Row]:
    frames = options.frames
    truth = videos.read(floors.raw_video(folder), frames).middle
    rows = {contender.name: Row(scene, contender.name) for contender in field_}
    for number in range(options.runs):
        for contender in field_:
            row = rows[contender.name]
            if row.failure:
                continue
            _say(f"{scene}: {contender.name}, run {number + 1} of {options.runs}")
            try:
                _measure(contender, row, frames, truth, folder)
            except (CommandFailed, videos.WrongVideo, OSError) as error:
                row.failure = str(error)
                _say(f"{scene}: {contender.name} failed: {error}")
    return list(rows.values())


def _measure(contender: Contender, row: Row, frames: int, truth: videos.Pixels, folder: Path) -> None:
    if contender.output:
        contender.output.unlink(missing_ok=True)
    usage = run(contender.command, folder / "log", env=contender.env, cwd=contender.cwd)
    if contender.inner:
        report = json.loads(contender.inner.read_bytes())
        usage = replace(usage, wall=report["wall"], cpu=report["cpu"], busy=float("nan"))
    if contender.output:
        video = videos.read(contender.output, frames)
        row.frames, row.megabytes = video.frames, video.megabytes
        row.likeness = videos.likeness(video.middle, truth)
    row.usages.append(usage)


def _say(text: str) -> None:
    sys.stderr.write(f"benchmarks: {text}\n")
