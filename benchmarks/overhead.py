"""Measures the overhead of Helios: starting a job, and starting to draw."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.scenes import ENCODING, composition
from helios.adapters import LocalWorkerAdapter
from helios.orchestrator.execute import RendererCommand
from helios.orchestrator.shared_disk import SharedDiskDispatcher
from helios.renderer.browser.launch import find_browser
from helios.renderer.messages import CaptureMethod, ChunkReport, ChunkSpec
from helios.worker import WorkerJob

_TRUE = "/bin/true"


async def adapter_ms(times: int = 200) -> tuple[float, float]:
    """Returns the milliseconds to run /bin/true directly and through the local adapter: medians of alternating runs."""
    adapter = LocalWorkerAdapter()
    bare: list[float] = []
    adapted: list[float] = []
    for _ in range(times):
        started = time.perf_counter()
        _spawn_and_wait()
        between = time.perf_counter()
        await adapter.execute(WorkerJob(_TRUE))
        bare.append(between - started)
        adapted.append(time.perf_counter() - between)
    return median(bare) * 1000, median(adapted) * 1000


def _spawn_and_wait() -> None:
    os.waitpid(os.posix_spawn(_TRUE, [_TRUE], {}), 0)


async def ready_ms(scene: str, capture: CaptureMethod, times: int = 5) -> tuple[float, float]:
    """Returns the milliseconds from a browser's start to its first image, and for a whole chunk of one frame."""
    spec = ChunkSpec(
        composition=composition(scene, 1), start=0, stop=1, encoding=ENCODING, capture=capture, motion="step"
    )
    ready: list[float] = []
    whole: list[float] = []
    with tempfile.TemporaryDirectory(prefix="helios-bench-", ignore_cleanup_errors=True) as folder:
        for number in range(times):
            started = time.perf_counter()
            work = Path(folder, str(number))
            command = RendererCommand("chunk", spec, {"segment.mp4": ""})
            await SharedDiskDispatcher(LocalWorkerAdapter()).run_renderer(command, work)
            whole.append((time.perf_counter() - started) * 1000)
            report = (work / "segment.mp4.json").read_bytes()
            ready.append(ChunkReport.model_validate_json(report).ready_ms)
    return median(ready), median(whole)


def browser_name() -> str:
    """Returns the browser's name and version."""
    return subprocess.run([find_browser(), "--version"], capture_output=True, text=True, check=True).stdout.strip()
