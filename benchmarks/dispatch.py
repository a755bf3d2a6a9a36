"""Measures the cost of dispatching chunks: many simulated workers, which only wait."""

from __future__ import annotations

import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scenes import HERE, WORK
from helios.jobs import JobSpec, Journal
from helios.jobs.recorder import Recorder
from helios.orchestrator import Chunk, ChunkFinished, CommandChunk, CommandPlan
from helios.orchestrator.attempt import Attempt
from helios.orchestrator.schedule import Schedule

WORKERS = 1000
FRAMES = 10  # of a chunk
_MEAN = 0.5  # mean seconds of a chunk
_REPORTS = 4  # progress reports of a worker for each chunk
DASK = WORK / "dask" / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time (ms) of a chunk or task, wall seconds of all, and the peak memory (MB) of the process."""

    name: str
    chunks: int
    cpu_ms: float
    wall_s: float
    peak_mb: float


def dispatch(chunks: int) -> Iterator[Cost]:
    """Measures Helios with ``chunks`` chunks and a tenth of them, plain asyncio tasks, and Dask if installed."""
    for kind, count in (("helios", chunks // 10), ("helios", chunks), ("asyncio", chunks)):
        script = [sys.executable, "-m", "benchmarks", "dispatch", kind, "--frames", str(count)]
        yield _run(kind, count, script)
    if DASK.exists():
        yield _run("dask", chunks, [str(DASK), str(HERE / "peers" / "dask_tasks.py"), str(chunks)])


def _run(name: str, count: int, script: list[str]) -> Cost:
    message = subprocess.run(script, cwd=HERE.parent, capture_output=True, text=True, check=True).stdout
    cpu, wall, peak = json.loads(message.splitlines()[-1])
    return Cost(name, count, 1000 * cpu / count, wall, peak)


def measure(kind: str, chunks: int) -> None:
    """Runs in this process, and prints CPU seconds, wall seconds and MB."""
    work: Callable[[int], asyncio.Future[None]] = {"helios": _helios, "asyncio": _asyncio}[kind]  # pyright: ignore[reportAssignmentType]
    cpu, wall = time.process_time(), time.perf_counter()
    asyncio.run(work(chunks))  # pyright: ignore[reportArgumentType]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps([time.process_time() - cpu, time.perf_counter() - wall, peak]) + "\n")


async def _helios(chunks: int) -> None:
    """Runs the schedule, with a journal that records all events."""
    command = CommandChunk(command="nothing", output="nothing.mp4", frames=FRAMES)
    with tempfile.TemporaryDirectory() as folder, closing(Journal(Path(folder))) as journal:
        plan = CommandPlan(chunks=(command,) * chunks, workers=WORKERS)
        job = journal.create(JobSpec(commands=plan, output=Path("nothing.mp4")))

        async with Recorder(journal, job) as recorder:

            def done(attempt: Attempt, result: None) -> None:
                recorder.record(
                    ChunkFinished(
                        chunk=attempt.chunk.index, attempt=attempt.number, worker=attempt.worker, frames=FRAMES,
                        repeated=0, seconds=time.monotonic() - attempt.started,
                    )
                )  # fmt: skip

            await Schedule(plan.parts, {"local": WORKERS}, _wait, done, recorder.record).run()


async def _wait(chunk: Chunk, number: int, worker: int, on_progress: Callable[[int], None]) -> None:
    for report in range(1, _REPORTS + 1):
        await asyncio.sleep(random.uniform(0, 2 * _MEAN / _REPORTS))
        on_progress(FRAMES * report // _REPORTS)


async def _asyncio(chunks: int) -> None:
    """Waits as the workers do, without a schedule."""
    room = asyncio.Semaphore(WORKERS)

    async def one() -> None:
        async with room:
            for _ in range(_REPORTS):
                await asyncio.sleep(random.uniform(0, 2 * _MEAN / _REPORTS))

    await asyncio.gather(*(one() for _ in range(chunks)))
