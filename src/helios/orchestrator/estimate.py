"""The time and cost of a video with some number of workers, from sample frames that a worker renders."""

from __future__ import annotations

import asyncio
import heapq
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helios.orchestrator.chunks import Chunk
from helios.orchestrator.dispatch import Dispatcher
from helios.orchestrator.execute import RendererCommand
from helios.orchestrator.pages import RenderPlan
from helios.renderer.messages import ChunkReport, Motion

_RENDERED_FRAMES = 12
_STEPPED_FRAMES = 60
_JOIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """A worker's time in seconds: to start a chunk, for each frame that it steps through, and for each that it renders.

    ``rate`` is the cost of a second (US dollars); None if the worker is not paid for.
    """

    start_s: float
    step_s: float
    frame_s: float
    rate: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """With ``workers``, a video of ``chunks`` takes ``seconds``, and costs ``cost`` (US dollars)."""

    workers: int
    chunks: int
    seconds: float
    cost: float | None


async def measure(dispatcher: Dispatcher, plan: RenderPlan, folder: Path) -> Pace:
    """Renders a few frames at the start of the video, and, if the page is stepped through, some later ones.

    Raises:
        HeliosError: they can't be rendered.
    """
    start, stop = plan.chunks[0].start, plan.chunks[-1].stop
    rendered = min(_RENDERED_FRAMES, stop - start)
    later = min(_STEPPED_FRAMES, stop - start - rendered)
    first = Chunk(0, start, start + rendered)
    if plan.probe.motion != "step" or not later:
        wall, report, rate = await _render(dispatcher, plan, first, folder / "first")
        step_s = 0.0
    else:
        second = Chunk(1, start + later, start + later + rendered)
        (wall, report, rate), (_, other, _) = await asyncio.gather(
            _render(dispatcher, plan, first, folder / "first"), _render(dispatcher, plan, second, folder / "second")
        )
        step_s = max(0.0, (other.ready_ms - report.ready_ms) / 1000 / later)
    frame_s = report.draw_ms / 1000 / rendered
    return Pace(max(0.0, wall - frame_s * rendered), step_s, frame_s, rate)


def predict(pace: Pace, motion: Motion, chunks: Sequence[Chunk], workers: int) -> Estimate:
    """The estimate for ``workers`` that render ``chunks``, each taking the next when it is free."""
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
    """The numbers of workers, up to ``most``, that are worth an estimate for so many frames."""
    numbers = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
    return [count for count in numbers if count == 1 or (frames // count >= 10 and count <= (most or count))]


async def _render(
    dispatcher: Dispatcher, plan: RenderPlan, chunk: Chunk, folder: Path
) -> tuple[float, ChunkReport, float | None]:
    """The seconds that a chunk takes, its report, and the cost of a second."""
    key = f"estimates/{secrets.token_hex(8)}"
    name = f"segment{plan.suffix}"
    outputs = {name: f"{key}{plan.suffix}", f"{name}.json": f"{key}.json"}
    started = time.monotonic()
    spec = plan.spec(chunk).model_copy(update={"seam": False})
    result = await dispatcher.run_renderer(RendererCommand("chunk", spec, outputs), folder)
    wall = time.monotonic() - started
    report = ChunkReport.model_validate_json(await dispatcher.read_output(result, folder, f"{name}.json"))
    usage = result.usage
    return wall, report, usage.cost / usage.billed_s if usage and usage.billed_s else None
