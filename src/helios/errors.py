"""Every error that Helios raises deliberately.

    HeliosError
    ├── UsageError            a wrong option or input; nothing was started             exit code 2
    ├── PageError             the page itself is at fault: script error, never ready   exit code 1
    │   └── PageChanged       a file of it changed during the render          (retryable)
    ├── OutputError           the output can't be written                              exit code 1
    ├── MissingTool           no browser or no ffmpeg; says how to get one             exit code 1
    ├── StitchError           segments that don't fit together, or a join that is off  exit code 1
    ├── BrowserError          the browser died or stopped answering       (retryable)  exit code 1
    ├── CaptureUnsafe         fast capture can't show this page exactly                exit code 1
    │   └── CaptureBroken     fast capture crashes or hangs the browser on this page
    ├── WorkerError           a command could not be run at all
    │   ├── CommandNotFound   no such command on that worker
    │   ├── WorkerTimeout     it ran past its time-out                    (retryable)
    │   ├── Stalled           it sends no heartbeat any more              (retryable)
    │   ├── Throttled         the place accepts no more jobs now          (retryable)
    │   ├── WorkerLost        it exited without a result, or is unreachable (retryable)
    │   ├── AccessDenied      the caller has no permission
    │   ├── OutOfMemory       the worker's memory was not enough          (retryable)
    │   └── WorkerRefused     the worker refuses the job: version, command or path
    ├── CommandFailed         a command of the job's own failed                        (retryable)
    ├── StoreError            the artifact store refuses or can't be reached           (retryable)
    │   └── ArtifactMissing   there is no such artifact
    ├── DeployError           a cloud could not create, change or delete a resource
    ├── ChunkFailed           a chunk failed in all attempts; carries chunk and causes
    ├── JobFailed             the job failed; carries the cause's code
    └── JobStopped            the job was paused or cancelled; finished chunks stay cached

``code`` is stable, for machines. ``retryable`` says whether a retry may succeed. ``exit_code`` is the exit code of the
``helios`` command.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar


class HeliosError(Exception):
    """Base of all errors of Helios: ``str(error)`` is one clear line, or a line and its evidence."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1


class UsageError(HeliosError):
    """An option or input is wrong, or options contradict each other."""

    code = "usage"
    exit_code = 2


class PageError(HeliosError):
    """The page is at fault: it can't be loaded, its script throws, or it never becomes ready."""

    code = "page"


class PageChanged(PageError):
    """A file of the page changed during the render."""

    code = "page-changed"
    retryable = True


class OutputError(HeliosError):
    """The output can't be written: no folder, no permission, no space."""

    code = "output"


class MissingTool(HeliosError):
    """A program that Helios needs is not on this machine."""

    code = "missing-tool"


class StitchError(HeliosError):
    """Segments can't be joined, or the joined video differs from what was expected."""

    code = "stitch"


class BrowserError(HeliosError):
    """The browser crashed, stopped responding or returned no frame."""

    code = "browser"
    retryable = True


class CaptureUnsafe(HeliosError):
    """The page has something that fast capture would show differently from the browser."""

    code = "capture-unsafe"


class CaptureBroken(CaptureUnsafe):
    """Fast capture crashes or hangs the browser on this page."""

    code = "capture-broken"


class WorkerError(HeliosError):
    """A command could not be run at all (a non-zero exit is a result, not an error)."""

    code = "worker"


class CommandNotFound(WorkerError):
    """The worker has no such command, or may not run it."""

    code = "command-not-found"


class WorkerTimeout(WorkerError):
    """The command ran longer than its time-out and was stopped with its whole process group.

    ``stdout`` and ``stderr`` hold the end of what it said.
    """

    code = "timeout"
    retryable = True

    def __init__(self, message: str, *, stdout: str = "", stderr: str = "") -> None:
        super().__init__(message)
        self.stdout = stdout
        self.stderr = stderr


class Stalled(WorkerError):
    """A command has sent no heartbeat for much longer than others of its job."""

    code = "stalled"
    retryable = True


class Throttled(WorkerError):
    """A place accepts no more jobs now. It may accept them later, or with fewer in parallel."""

    code = "throttled"
    retryable = True


class WorkerLost(WorkerError):
    """A worker exited without a result, or the connection to it broke."""

    code = "worker-lost"
    retryable = True


class AccessDenied(WorkerError):
    """A place refuses this caller. The message names the missing permission."""

    code = "access-denied"


class OutOfMemory(WorkerError):
    """A worker was killed because it ran out of memory."""

    code = "out-of-memory"
    retryable = True


class WorkerRefused(WorkerError):
    """A worker refuses the job: another version, an unknown command, or a path outside its folder."""

    code = "refused"


class CommandFailed(HeliosError):
    """A command of a job spec exited with an error, or wrote no output."""

    code = "command-failed"
    retryable = True


class StoreError(HeliosError):
    """The artifact store refuses a request, or can't be reached."""

    code = "store"
    retryable = True


class ArtifactMissing(StoreError):
    """There is no artifact under that key."""

    code = "artifact-missing"
    retryable = False


class DeployError(HeliosError):
    """A cloud refused, is unreachable, or could not create, change or delete a resource."""

    code = "deploy"


class JobFailed(HeliosError):
    """A job failed. ``job`` is its id; ``cause`` is the code of the error."""

    code = "job-failed"

    def __init__(self, message: str, *, job: str, cause: str) -> None:
        super().__init__(message)
        self.job = job
        self.cause = cause


class JobStopped(HeliosError):
    """The job was paused or cancelled."""

    code = "stopped"


class ChunkFailed(HeliosError):
    """A chunk failed in all attempts. ``causes`` has one line for each attempt, first to last."""

    code = "chunk-failed"

    def __init__(self, message: str, *, chunk: int, causes: Sequence[str]) -> None:
        super().__init__(message)
        self.chunk = chunk
        self.causes = tuple(causes)


def unwritable(output: Path, error: OSError) -> OutputError:
    """The error for an output that could not be written."""
    if error.errno == errno.ENOSPC:
        return OutputError(f"the disk is full: {output} was not written; nothing is left of it")
    return OutputError(f"{output} can't be written: {error.strerror or error}")
