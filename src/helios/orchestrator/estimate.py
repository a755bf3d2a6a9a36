"""How long a video will take, and what it will cost, with so many workers: from some frames that are really drawn."""

from __future__ import annotations

import asyncio
import heapq
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helios.orchestrator.chunks import Chunk
from helios.orchestrator.dispatch import Workplace
from helios.orchestrator.pages import RenderPlan
from helios.renderer.messages import ChunkReport, Motion

_DRAWN = 12
_STEPPED = 60
_JOIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """What a worker takes, in seconds: to begin a chunk, for each frame that it steps through, and that it draws.

    ``rate`` is what a second of it costs, in US dollars; None where nothing is paid.
    """

    start_s: float
    step_s: float
    frame_s: float
    rate: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is to be expected of so many ``workers``: ``seconds`` until the video is there, and its ``cost`` (USD)."""

    workers: int
    chunks: int
    seconds: float
    cost: float | None


async def measure(at: Workplace, plan: RenderPlan, folder: Path) -> Pace:
    """Draws a few frames at the video's beginning, and, of a page that is stepped through, some that are not.

    Raises:
        HeliosError: they can't be drawn.
    """
    start, stop = plan.chunks[0].start, plan.chunks[-1].stop
    drawn = min(_DRAWN, stop - start)
    later = min(_STEPPED, stop - start - drawn)
    first = Chunk(0, start, start + drawn)
    if plan.probe.motion != "step" or not later:
        wall, report, rate = await _try(at, plan, first, folder / "first")
        step_s = 0.0
    else:
        second = Chunk(1, start + later, start + later + drawn)
        (wall, report, rate), (_, other, _) = await asyncio.gather(
            _try(at, plan, first, folder / "first"), _try(at, plan, second, folder / "second")
        )
        step_s = max(0.0, (other.ready_ms - report.ready_ms) / 1000 / later)
    frame_s = report.draw_ms / 1000 / drawn
    return Pace(max(0.0, wall - frame_s * drawn), step_s, frame_s, rate)


def predict(pace: Pace, motion: Motion, chunks: Sequence[Chunk], workers: int) -> Estimate:
    """What to expect if ``chunks`` are drawn by ``workers``, each taking the next when it is free."""
    free = [0.0] * workers
    paid = 0.0
    for chunk in chunks:
        stepped = chunk.start if motion == "step" else 0
        took = pace.start_s + stepped * pace.step_s + chunk.frames * pace.frame_s
        paid += took
        heapq.heapreplace(free, free[0] + took)
    cost = None if pace.rate is None else paid * pace.rate
    return Estimate(workers, len(chunks), max(free) + _JOIN_S, cost)


def is_worth_measuring(frames: int, most: int | None) -> list[int]:
    """Numbers of workers, up to ``most``, that a video of so many frames may be drawn by."""
    numbers = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
    return [count for count in numbers if count == 1 or (frames // count >= 10 and count <= (most or count))]


async def _try(at: Workplace, plan: RenderPlan, chunk: Chunk, folder: Path) -> tuple[float, ChunkReport, float | None]:
    key = f"estimates/{secrets.token_hex(8)}"
    name = f"segment{plan.suffix}"
    outputs = {name: f"{key}{plan.suffix}", f"{name}.json": f"{key}.json"}
    started = time.monotonic()
    result = await at.draw("chunk", plan.spec(chunk).model_copy(update={"seam": False}), folder, outputs)
    wall = time.monotonic() - started
    report = ChunkReport.model_validate_json(await at.read(result, folder, f"{name}.json"))
    usage = result.usage
    return wall, report, usage.cost / usage.billed_s if usage and usage.billed_s else None
