"""Rendering a single chunk of a job outside of the job, to examine it."""

from __future__ import annotations

import asyncio
import shlex
import tempfile
from pathlib import Path

from helios.adapters import LocalWorkerAdapter
from helios.errors import OutputError, UsageError
from helios.jobs.spec import JobSpec
from helios.orchestrator import Chunk, CommandPlan
from helios.orchestrator.shared_disk import SharedDiskDispatcher, renderer_job
from helios.output import place


async def run_repro(spec: JobSpec, index: int, folder: Path) -> tuple[Path, str]:
    """Renders one chunk into a file in ``folder``, without the cache.

    Returns the file, and the command that renders it again.

    Raises:
        UsageError: there is no such chunk.
        HeliosError: the chunk failed.
    """
    chunk = _get_chunk(spec, index)
    with tempfile.TemporaryDirectory(prefix="helios-") as workspace:
        dispatcher = SharedDiskDispatcher(LocalWorkerAdapter())
        output = await spec.plan.render_chunk(
            dispatcher, chunk, Path(workspace, "chunk"), lambda suffix: suffix, lambda frames: None
        )
        assert output.path, "the local adapter returns a file"
        target = folder / f"chunk-{index:06}{output.path.suffix}"
        await asyncio.to_thread(place, output.path, target)
    return target, write_repro(spec, index, folder / f"chunk-{index:06}")


def write_repro(spec: JobSpec, index: int, folder: Path) -> str:
    """Writes everything that a chunk needs into ``folder``; returns the shell command that renders it there.

    Raises:
        UsageError: there is no such chunk.
        OutputError: the folder can't be written.
    """
    chunk = _get_chunk(spec, index)
    plan = spec.plan
    folder = folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(plan, CommandPlan):
            job = plan.chunks[index].job(folder)
        else:
            (folder / "spec.json").write_text(plan.spec(chunk).model_dump_json(indent=1), "utf-8")
            job = renderer_job("chunk", folder, {}, f"segment{plan.suffix}")
    except OSError as error:
        raise OutputError(f"{folder} can't be written: {error.strerror}") from error
    names = [f"{name}={value}" for name, value in job.env.items()]
    return f"cd {shlex.quote(str(folder))} && env -i {shlex.join(names)} {job}"


def _get_chunk(spec: JobSpec, index: int) -> Chunk:
    parts = spec.plan.parts
    if not 0 <= index < len(parts):
        raise UsageError(f"there is no chunk {index}: the job has chunks 0 to {len(parts) - 1}")
    return parts[index]
