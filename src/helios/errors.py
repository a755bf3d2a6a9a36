"""Every error that Helios raises on purpose.

    HeliosError
    ├── UsageError            what was asked for can't be; nothing was started         exit code 2
    ├── PageError             the page itself is at fault: script error, never ready   exit code 1
    ├── OutputError           the output can't be written                              exit code 1
    ├── MissingTool           no browser or no ffmpeg; says how to get one             exit code 1
    ├── StitchError           segments that don't fit together, or a join that is off  exit code 1
    ├── BrowserError          the browser died or stopped answering       (retryable)  exit code 1
    ├── CaptureUnsafe         fast capture can't draw this page as it is               exit code 1
    ├── WorkerError           a command could not be run at all
    │   ├── CommandNotFound   no such command on that worker
    │   └── WorkerTimeout     it ran past its time-out                    (retryable)
    └── ChunkFailed           a chunk could not be made; carries chunk, attempts and cause

``code`` is stable and fit for machines; ``retryable`` says whether the same work may succeed when it
is tried again; ``exit_code`` is what the ``helios`` command ends with.
"""

from __future__ import annotations

from collections.abc import Sequence
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


class OutputError(HeliosError):
    """The output can't be written: no folder, no permission, no space."""

    code = "output"


class MissingTool(HeliosError):
    """A program that Helios needs is not on this machine."""

    code = "missing-tool"


class StitchError(HeliosError):
    """Segments can't be joined, or the joined film is not what it should be."""

    code = "stitch"


class BrowserError(HeliosError):
    """The browser died, stopped answering or gave no picture."""

    code = "browser"
    retryable = True


class CaptureUnsafe(HeliosError):
    """Something stands on the page that fast capture would not draw as the browser shows it."""

    code = "capture-unsafe"


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


class ChunkFailed(HeliosError):
    """A chunk could not be made. ``causes`` holds one line for each attempt, first to last."""

    code = "chunk-failed"

    def __init__(self, message: str, *, chunk: int, causes: Sequence[str]) -> None:
        super().__init__(message)
        self.chunk = chunk
        self.causes = tuple(causes)
