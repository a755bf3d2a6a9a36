"""Every error that Helios raises on purpose.

    HeliosError
    ├── UsageError            what was asked for can't be; nothing was started         exit code 2
    ├── PageError             the page itself is at fault: script error, never ready   exit code 1
    │   └── PageChanged       a file of it was changed meanwhile              (retryable)
    ├── OutputError           the output can't be written                              exit code 1
    ├── MissingTool           no browser or no ffmpeg; says how to get one             exit code 1
    ├── StitchError           segments that don't fit together, or a join that is off  exit code 1
    ├── BrowserError          the browser died or stopped answering       (retryable)  exit code 1
    ├── CaptureUnsafe         fast capture can't draw this page as it is               exit code 1
    │   └── CaptureBroken     fast capture crashes or hangs the browser on this page
    ├── WorkerError           a command could not be run at all
    │   ├── CommandNotFound   no such command on that worker
    │   ├── WorkerTimeout     it ran past its time-out                    (retryable)
    │   ├── Stalled           it shows no sign of life any more           (retryable)
    │   ├── Throttled         too much is under way there at once         (retryable)
    │   ├── WorkerLost        it ended without a word, or can't be reached (retryable)
    │   ├── AccessDenied      whoever asks may not use it
    │   ├── OutOfMemory       the worker's memory was not enough          (retryable)
    │   └── WorkerRefused     the worker runs no such job: another version, command or path
    ├── CommandFailed         a command of the job's own ended with an error           (retryable)
    ├── StoreError            the artifact store refuses or can't be reached           (retryable)
    │   └── ArtifactMissing   there is no such artifact
    ├── DeployError           a cloud could not make, change or remove what it was asked
    ├── ChunkFailed           a chunk could not be made; carries chunk, attempts and cause
    ├── JobFailed             the job ended with an error; carries its code
    └── JobStopped            the job was paused or cancelled; what is made is kept

``code`` is stable and fit for machines; ``retryable`` says whether the same work may succeed when it
is tried again; ``exit_code`` is what the ``helios`` command ends with.
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
    """What was asked for can't be done as it was asked."""

    code = "usage"
    exit_code = 2


class PageError(HeliosError):
    """The page is at fault: it can't be loaded, its script throws, or it never becomes ready."""

    code = "page"


class PageChanged(PageError):
    """A file of the page was changed while it was drawn."""

    code = "page-changed"
    retryable = True


class OutputError(HeliosError):
    """The output can't be written: no folder, no permission, no space."""

    code = "output"


class MissingTool(HeliosError):
    """A program that Helios needs is not on this machine."""

    code = "missing-tool"


class StitchError(HeliosError):
    """Segments can't be joined, or the joined video is not what it should be."""

    code = "stitch"


class BrowserError(HeliosError):
    """The browser died, stopped answering or gave no image."""

    code = "browser"
    retryable = True


class CaptureUnsafe(HeliosError):
    """Something stands on the page that fast capture would not draw as the browser shows it."""

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
    """A command shows no sign of life for much longer than others of its job have."""

    code = "stalled"
    retryable = True


class Throttled(WorkerError):
    """A place to run does not take as much at once: later, or with less under way, it will."""

    code = "throttled"
    retryable = True


class WorkerLost(WorkerError):
    """A worker ended without a word, or the way to it is broken."""

    code = "worker-lost"
    retryable = True


class AccessDenied(WorkerError):
    """A place to run does not let this caller in; the missing permission is named."""

    code = "access-denied"


class OutOfMemory(WorkerError):
    """A worker was ended because its memory was not enough."""

    code = "out-of-memory"
    retryable = True


class WorkerRefused(WorkerError):
    """A worker does not run a job such as this: of another version, an unknown command, a path that leads out."""

    code = "refused"


class CommandFailed(HeliosError):
    """A command that a job spec names ended with an error, or made nothing."""

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
    """A cloud refuses, can't be reached, or could not make, change or remove what it was asked to."""

    code = "deploy"


class JobFailed(HeliosError):
    """A job ended with an error. ``job`` is its id; ``cause`` is the code of the error that it ended with."""

    code = "job-failed"

    def __init__(self, message: str, *, job: str, cause: str) -> None:
        super().__init__(message)
        self.job = job
        self.cause = cause


class JobStopped(HeliosError):
    """Somebody has paused or cancelled the job."""

    code = "stopped"


class ChunkFailed(HeliosError):
    """A chunk could not be made. ``causes`` holds one line for each attempt, first to last."""

    code = "chunk-failed"

    def __init__(self, message: str, *, chunk: int, causes: Sequence[str]) -> None:
        super().__init__(message)
        self.chunk = chunk
        self.causes = tuple(causes)


def unwritable(output: Path, error: OSError) -> OutputError:
    """What to say of an output that could not be written."""
    if error.errno == errno.ENOSPC:
        return OutputError(f"the disk is full: {output} was not written; nothing is left of it")
    return OutputError(f"{output} can't be written: {error.strerror or error}")
