"""One command behind an adapter: its progress lines, and the error for a failed one."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from helios.adapters import WorkerAdapter
from helios.errors import CommandFailed, HeliosError, WorkerError
from helios.renderer.messages import EXIT_CODES, BatchSpec, ChunkSpec, ProbeSpec, StillSpec
from helios.worker import WorkerJob, WorkerResult

_LAST_LINES = 12

OnProgress = Callable[[float], None]
"""Called with the percentage that is done."""

OnStatus = Callable[[str], None]
"""Called with each status line of a command."""

Spec = ChunkSpec | BatchSpec | StillSpec | ProbeSpec


class RendererCrashed(WorkerError):
    """The renderer exited without reporting an error: killed, out of memory, or broken."""

    code = "renderer-crashed"
    retryable = True


@dataclass(frozen=True, slots=True)
class RendererCommand:
    """One command of the renderer: its ``kind``, its input ``spec``, and the keys of its ``outputs`` by file name.

    The renderer gets the name of the first output, or of ``output_folder``, whose files are optional.
    """

    kind: str
    spec: Spec
    outputs: Mapping[str, str]
    output_folder: str | None = None

    @property
    def output(self) -> str:
        """The file or folder that the renderer writes."""
        return self.output_folder or next(iter(self.outputs))


def ignore_progress(percent: float) -> None:
    """The ``OnProgress`` of callers that show none."""


def ignore_status(text: str) -> None:
    """The ``OnStatus`` of callers that read none."""


async def execute_renderer(
    adapter: WorkerAdapter, command: RendererCommand, job: WorkerJob, on_progress: OnProgress, on_status: OnStatus
) -> WorkerResult:
    """Executes ``job``, which runs ``command``.

    Raises:
        RendererCrashed: it exited without an error of its own, or without an output.
        HeliosError: the error that the renderer reported.
    """
    failures: list[str] = []

    def on_line(line: str) -> None:
        key, _, text = line.partition(": ")
        if key == "openjd_fail":
            failures.append(text)
        elif key == "openjd_progress":
            on_progress(_parse_percentage(text))
        elif key == "openjd_status":
            on_status(text)

    result = await adapter.execute(job, on_line)
    if result.exit_code:
        raise _renderer_error(job, result, failures)
    missing = [name for name in command.outputs if name not in result.outputs]
    if missing and not command.output_folder:
        raise RendererCrashed(f"the renderer wrote no {missing[0]}: {job}{last_lines(result)}")
    return result


async def execute_command(adapter: WorkerAdapter, job: WorkerJob, on_progress: OnProgress) -> WorkerResult:
    """Executes a command of the user's.

    Raises:
        CommandFailed: it exited with an error.
        WorkerError: it can't be run.
    """

    def on_line(line: str) -> None:
        key, _, text = line.partition(": ")
        if key == "openjd_progress":
            on_progress(_parse_percentage(text))

    result = await adapter.execute(job, on_line)
    if result.exit_code:
        raise CommandFailed(f"{job} {describe_exit(result)}{last_lines(result)}")
    return result


def _parse_percentage(text: str) -> float:
    """The percentage in ``text``, from 0 to 100; 0 for text that is no number."""
    try:
        return min(100.0, max(0.0, float(text)))
    except ValueError:
        return 0.0


def _renderer_error(job: WorkerJob, result: WorkerResult, failures: list[str]) -> HeliosError:
    for kind, code in EXIT_CODES.items():
        if result.exit_code == code and failures:
            return kind(failures[-1])
    where = f" (in {job.cwd})" if job.cwd else ""
    return RendererCrashed(f"the renderer {describe_exit(result)}: {job}{where}{last_lines(result)}")


def describe_exit(result: WorkerResult) -> str:
    """How a command exited, as the end of a sentence."""
    if result.exit_code < 0:
        return f"was killed by {_signal_name(-result.exit_code)}"
    return f"failed with exit code {result.exit_code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have no name
        return f"signal {number}"


def last_lines(result: WorkerResult) -> str:
    """The last lines that a command printed, as the end of a message."""
    lines = (result.stderr.strip() or result.stdout.strip()).splitlines()[-_LAST_LINES:]
    return "; its last lines:\n  " + "\n  ".join(lines) if lines else "; it printed nothing"
