"""Commands for workers that share our disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from helios.adapters import WorkerAdapter
from helios.orchestrator.chunk_cache import ChunkOutput
from helios.orchestrator.execute import (
    OnProgress,
    OnStatus,
    RendererCommand,
    execute_command,
    execute_renderer,
    ignore_progress,
    ignore_status,
)
from helios.renderer.messages import Stamp
from helios.storage import ArtifactStore
from helios.worker import WorkerJob, WorkerResult

FIXED_ENV = {"LANG": "C.UTF-8", "TZ": "UTC"}
"""Variables that have the same value on every machine."""

_INHERITED_ENV = (
    "PATH", "HOME", "PYTHONPATH", "HELIOS_BROWSER", "HELIOS_NO_SANDBOX", "PLAYWRIGHT_BROWSERS_PATH",
    "XDG_DATA_HOME", "XDG_CONFIG_HOME", "FONTCONFIG_FILE", "FONTCONFIG_PATH",
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
)  # fmt: skip


class SharedDiskDispatcher:
    """Runs commands behind ``adapter`` in folders of this disk. See ``Dispatcher``."""

    shares_disk = True

    def __init__(self, adapter: WorkerAdapter) -> None:
        self._adapter = adapter

    async def input_version(self) -> str:
        """See ``Dispatcher``."""
        return "local"

    async def run_renderer(
        self,
        command: RendererCommand,
        folder: Path,
        on_progress: OnProgress = ignore_progress,
        on_status: OnStatus = ignore_status,
    ) -> WorkerResult:
        """See ``Dispatcher``. Creates ``folder``."""
        folder.mkdir(parents=True)
        (folder / "spec.json").write_text(command.spec.model_dump_json(), "utf-8")
        job = renderer_job(command.kind, folder, command.outputs, command.output)
        return await execute_renderer(self._adapter, command, job, on_progress, on_status)

    async def run_command(self, job: WorkerJob, inputs: Sequence[Path], on_progress: OnProgress) -> WorkerResult:
        """See ``Dispatcher``. Creates the job's folder."""
        assert job.cwd, "a command has a folder of its own"
        job.cwd.mkdir(parents=True, exist_ok=True)
        return await execute_command(self._adapter, job, on_progress)

    async def read_output(self, result: WorkerResult, folder: Path, name: str) -> bytes:
        """See ``Dispatcher``."""
        return (folder / name).read_bytes()

    def output_path(self, folder: Path, name: str) -> Path | None:
        """See ``Dispatcher``."""
        return folder / name

    async def local_stamps(self, used: Mapping[str, Stamp | None]) -> dict[str, Stamp | None]:
        """See ``Dispatcher``."""
        return dict(used)

    async def transfer(self, output: ChunkOutput, store: ArtifactStore, folder: Path) -> ChunkOutput:
        """See ``Dispatcher``."""
        return output


def renderer_job(kind: str, folder: Path, outputs: Mapping[str, str], output: str) -> WorkerJob:
    """The renderer command ``kind`` on ``folder``/spec.json. Its environment is complete: nothing else is inherited."""
    env = {name: os.environ[name] for name in _INHERITED_ENV if name in os.environ}
    env |= {**FIXED_ENV, "TMPDIR": str(folder)}
    # -P: modules are never imported from the workspace.
    args = ("-P", "-m", "helios.renderer", kind, "spec.json", output)
    return WorkerJob(sys.executable, args, env=env, cwd=folder, outputs=outputs)
