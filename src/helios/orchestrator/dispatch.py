"""One command of the renderer, from its spec to its outcome."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from helios.adapters import WorkerAdapter
from helios.errors import HeliosError, WorkerError
from helios.renderer.spec import EXIT_CODES, ChunkSpec, ProbeSpec, StillSpec
from helios.worker import WorkerJob, WorkerResult

_NAMED = (
    "PATH", "HOME", "PYTHONPATH", "HELIOS_BROWSER", "HELIOS_NO_SANDBOX", "PLAYWRIGHT_BROWSERS_PATH",
    "XDG_DATA_HOME", "XDG_CONFIG_HOME", "FONTCONFIG_FILE", "FONTCONFIG_PATH",
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
)  # fmt: skip
_LAST_LINES = 12

Progress = Callable[[float], None]
"""Called with the percentage that is done."""


class RendererCrashed(WorkerError):
    """The renderer ended without saying why: killed, out of memory, or broken."""

    code = "renderer-crashed"
    retryable = True


async def run_renderer(
    adapter: WorkerAdapter,
    kind: str,
    spec: ChunkSpec | StillSpec | ProbeSpec,
    folder: Path,
    output: str,
    progress: Progress | None = None,
) -> Path:
    """Runs one command of the renderer in ``folder`` (made new) and returns the path of what it made there.

    Raises:
        HeliosError: of the class that the renderer's exit code tells, with what it said.
    """
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(spec.model_dump_json(), "utf-8")
    failures: list[str] = []

    def on_line(line: str) -> None:
        key, _, text = line.partition(": ")
        if key == "openjd_fail":
            failures.append(text)
        elif key == "openjd_progress" and progress:
            progress(float(text))

    result = await adapter.execute(renderer_job(kind, folder, output), on_line)
    if result.exit_code:
        raise _failure(renderer_job(kind, folder, output), result, failures)
    return folder / output


def renderer_job(kind: str, folder: Path, output: str) -> WorkerJob:
    """The command that draws ``folder``/spec.json. Its environment is named here, and is all that it gets."""
    env = {name: os.environ[name] for name in _NAMED if name in os.environ}
    env |= {"LANG": "C.UTF-8", "TZ": "UTC", "TMPDIR": str(folder)}
    # -P: the workspace is no place to import from.
    args = ("-P", "-m", "helios.renderer", kind, "spec.json", output)
    return WorkerJob(sys.executable, args, env=env, cwd=folder)


def _failure(job: WorkerJob, result: WorkerResult, failures: list[str]) -> HeliosError:
    for kind, code in EXIT_CODES.items():
        if result.exit_code == code and failures:
            return kind(failures[-1])
    if result.exit_code < 0:
        ending = f"was killed by {signal.Signals(-result.exit_code).name}"
    else:
        ending = f"ended with exit code {result.exit_code}"
    lines = (result.stderr.strip() or result.stdout.strip()).splitlines()[-_LAST_LINES:]
    said = "; it said:\n  " + "\n  ".join(lines) if lines else "; it said nothing"
    return RendererCrashed(f"the renderer {ending}: {job} (in {job.cwd}){said}")
