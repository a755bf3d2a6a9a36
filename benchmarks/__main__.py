"""``python -m benchmarks``: measures how fast this machine renders."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import floors, overhead, stages, table
from benchmarks.batch import batch
from benchmarks.compare import Options, compare
from benchmarks.contenders import PEERS
from benchmarks.dispatch import dispatch, measure
from benchmarks.encoders import encoders
from benchmarks.install import install
from benchmarks.invokes import invokes
from benchmarks.measure import CommandFailed
from benchmarks.memory import memory
from benchmarks.scenes import SCENES, WORK
from helios.errors import HeliosError
from helios.renderer.messages import CaptureMethod

_FRAMES = {"encoders": 60, "memory": 10_000, "dispatch": 10_000, "invokes": 5_000, "batch": 30}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    asked = _parser().parse_args(arguments)
    scenes: tuple[str, ...] = tuple(asked.scene or SCENES)
    asked.frames = asked.frames or _FRAMES.get(asked.what, 150)
    try:
        match asked.what:
            case "install":
                return install()
            case "stages":
                asyncio.run(_stages(scenes, asked.frames, asked.images))
            case "encoders":
                asyncio.run(_encoders(scenes, asked.frames))
            case "memory":
                _memory(asked.frames)
            case "batch":
                _batch(asked.frames, asked.runs, asked.workers[0] if asked.workers else _cores())
            case "invokes":
                _invokes(asked.frames)
            case "dispatch" if asked.kind:
                measure(asked.kind, asked.frames)
            case "dispatch":
                _dispatch(asked.frames)
            case "floor":
                _floor(asked, scenes[0])
            case _:
                asyncio.run(_compare(asked, scenes))
    except (HeliosError, CommandFailed) as error:
        sys.stderr.write(f"benchmarks: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "what", nargs="?", default="compare",
        choices=["compare", "stages", "encoders", "memory", "dispatch", "invokes", "batch", "install", "floor"],
        help="compare: Helios, its peers and the floor (the default); stages: where a frame's time goes; "
        "encoders: ways from pixels to H.264; memory: peak memory with more workers and more frames; "
        "dispatch: the cost of orchestration, compared with Dask (--frames: chunks); "
        "invokes: the cost of a thousand parallel invocations (--frames: total number); "
        "batch: a hundred short videos, compared with one video of all frames (--frames: of each); "
        "install: install the peers into benchmarks/.work; floor: one lower bound",
    )  # fmt: skip
    parser.add_argument("kind", nargs="?", choices=["draw", "encode", "helios", "asyncio"], help="which part")
    parser.add_argument("--scene", action="append", choices=SCENES, help="only this scene; may be repeated")
    parser.add_argument(
        "--frames",
        type=int,
        metavar="N",
        help="frames of a video (150; encoders 60, batch 30, memory's long video and chunks of dispatch 10,000)",
    )
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="runs of each (default 3)")
    parser.add_argument("--workers", type=_counts, default=(), metavar="N,N", help="numbers of workers for Helios")
    parser.add_argument("--no-peers", action="store_true", help="skip the peers")
    parser.add_argument("--no-floors", action="store_true", help="skip drawing alone and encoding alone")
    parser.add_argument("--images", action="store_true", help="stages: also other ways to capture a faithful image")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every run to FILE")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser


def _counts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _floor(asked: argparse.Namespace, scene: str) -> None:
    workers = asked.workers[0] if asked.workers else _cores()
    if asked.kind == "draw":
        asyncio.run(floors.draw(scene, asked.frames, workers))
    else:
        floors.encode(asked.frames, workers, asked.folder, asked.json)


async def _compare(asked: argparse.Namespace, scenes: tuple[str, ...]) -> None:
    missing = [name for name in PEERS if not (WORK / name / "ready").exists()]
    if missing and not asked.no_peers:
        _print(f"not installed: {', '.join(missing)} (python -m benchmarks install)")
    _print(table.machine(overhead.browser_name()))
    workers: tuple[int | None, ...] = asked.workers or (None,)
    options = Options(scenes, asked.frames, asked.runs, workers, not asked.no_peers, not asked.no_floors)
    bare, adapted = await overhead.adapter_ms()
    methods: dict[str, CaptureMethod] = {"fast": "canvas", "faithful": "begin-frame"}
    ready = {name: await overhead.ready_ms(scenes[0], method) for name, method in methods.items()}
    rows = await compare(options, _cores())
    table.show(rows, _cores())
    _print(f"LocalWorkerAdapter adds {adapted - bare:.2f} ms to a job ({bare:.2f} ms bare, median of 200 each)")
    for name, (first, whole) in ready.items():
        _print(f"browser start to first {name} image: {first:.0f} ms; a chunk of one: {whole:.0f} ms ({scenes[0]})")
    if asked.json:
        figures = {
            "adapter_ms": adapted - bare,
            "ready_ms": {name: first for name, (first, _) in ready.items()},
            "rows": [asdict(row) for row in rows],
        }
        asked.json.write_text(json.dumps(figures, indent=1), "utf-8")


async def _stages(scenes: tuple[str, ...], frames: int, images: bool) -> None:
    for scene in scenes:
        for capture, measured in (("fast", stages.fast), ("faithful", stages.faithful)):
            for stage, value in (await measured(scene, frames)).items():
                _print(f"{scene:8} {capture:10} {stage:14} {value:8.2f} {'MB' if 'MB' in stage else 'ms'}")
        if images:
            for name, taking, decoding, size, same in await stages.images(scene, max(1, frames // 6)):
                pixels = "same pixels" if same else "other pixels"
                _print(f"{scene:8} {name:20} {taking:8.2f} ms, decoded in {decoding:.2f} ms, {size:.2f} MB, {pixels}")


async def _encoders(scenes: tuple[str, ...], frames: int) -> None:
    for scene in scenes:
        async for cost in encoders(scene, frames):
            _print(
                f"{scene:8} {cost.name:34} {cost.cpu_ms:7.2f} CPU ms {cost.wall_ms:7.2f} ms "
                f"{cost.megabytes:8.3f} MB {cost.likeness:6.2f} dB"
            )


def _memory(frames: int) -> None:
    for scene, count, workers, peak in memory(frames):
        who = f"{workers} worker{'s' if workers > 1 else ''}"
        _print(f"{scene:8} {count:6} frames, {who:10} {peak:7.0f} MB {peak / workers:7.0f} MB a worker")


def _dispatch(chunks: int) -> None:
    for cost in dispatch(chunks):
        _print(
            f"{cost.name:8} {cost.chunks:6} chunks {cost.cpu_ms:7.3f} CPU ms each {cost.wall_s:7.2f} s "
            f"{cost.peak_mb:7.1f} MB"
        )


def _invokes(count: int) -> None:
    cost = invokes(count)
    _print(
        f"{cost.invokes} invocations, {cost.parallel} in parallel: {cost.cpu_ms:.2f} CPU ms each, {cost.wall_s:.1f} s, "
        f"{cost.sockets} sockets, {cost.peak_mb:.1f} MB"
    )


def _batch(frames: int, runs: int, workers: int) -> None:
    for cost in batch(frames, runs, workers):
        usage = cost.batch
        _print(
            f"{cost.videos} videos of {cost.frames} frames: {usage.cpu:.1f} CPU s, "
            f"{usage.cpu / cost.own_cpu:.2f} times "
            f"the {cost.own_cpu:.1f} of their frames alone; {usage.wall:.1f} s, {usage.wall / cost.own_wall:.2f} times "
            f"the {cost.own_wall:.1f} of their frames alone, {usage.wall / cost.drawing:.2f} times the "
            f"{cost.drawing:.1f} s of drawing that each worker reports (and {cost.loading:.1f} s of loading)"
        )


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
