"""One command of the renderer, from its spec to its outcome."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from helios.adapters import WorkerAdapter
from helios.errors import CommandFailed, HeliosError, WorkerError
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
) -> tuple[Path, str]:
    """Runs one command of the renderer in ``folder`` (made new).

    Returns the path of what it made there, and its SHA-256 as the worker saw it.

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

    job = renderer_job(kind, folder, output)
    result = await adapter.execute(job, on_line)
    if result.exit_code:
        raise _failure(job, result, failures)
    return folder / output, result.digests.get(output, "")


async def run_command(adapter: WorkerAdapter, job: WorkerJob, progress: Progress) -> WorkerResult:
    """Runs a command of the user's in its folder, which is made.

    Raises:
        CommandFailed: it ends with an error.
        WorkerError: it can't be run.
    """
    assert job.cwd, "a command has a folder of its own"
    job.cwd.mkdir(parents=True, exist_ok=True)

    def on_line(line: str) -> None:
        key, _, text = line.partition(": ")
        if key == "openjd_progress":
            with contextlib.suppress(ValueError):
                progress(float(text))

    result = await adapter.execute(job, on_line)
    if result.exit_code:
        raise CommandFailed(f"{job} {ending(result)}{last_lines(result)}")
    return result


def renderer_job(kind: str, folder: Path, output: str) -> WorkerJob:
    """The command that draws ``folder``/spec.json. Its environment is named here, and is all that it gets."""
    env = {name: os.environ[name] for name in _NAMED if name in os.environ}
    env |= {"LANG": "C.UTF-8", "TZ": "UTC", "TMPDIR": str(folder)}
    # -P: the workspace is no place to import from.
    args = ("-P", "-m", "helios.renderer", kind, "spec.json", output)
    return WorkerJob(sys.executable, args, env=env, cwd=folder, outputs=(output,))


def _failure(job: WorkerJob, result: WorkerResult, failures: list[str]) -> HeliosError:
    for kind, code in EXIT_CODES.items():
        if result.exit_code == code and failures:
            return kind(failures[-1])
    return RendererCrashed(f"the renderer {ending(result)}: {job} (in {job.cwd}){last_lines(result)}")


def ending(result: WorkerResult) -> str:
    """How a command ended."""
    if result.exit_code < 0:
        return f"was killed by {signal.Signals(-result.exit_code).name}"
    return f"ended with exit code {result.exit_code}"


def last_lines(result: WorkerResult) -> str:
    """The last lines that a command said."""
    lines = (result.stderr.strip() or result.stdout.strip()).splitlines()[-_LAST_LINES:]
    return "; it said:\n  " + "\n  ".join(lines) if lines else "; it said nothing"
