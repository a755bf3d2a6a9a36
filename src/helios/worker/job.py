"""One command to run anywhere, and its outcome."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class WorkerJob:
    """One command to run, anywhere.

    ``command`` is a program's name or path and ``args`` are its arguments, passed on as they are: there is
    never a shell. ``env`` is the whole environment that the command gets; nothing of the caller's is added.
    ``timeout`` is in seconds; None means none. ``outputs`` are the files that it will make, as paths below ``cwd``.
    """

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    cwd: Path | None = None
    timeout: float | None = None
    outputs: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The command line, quoted for pasting into a shell."""
        return shlex.join((self.command, *self.args))


@dataclass(frozen=True, slots=True)
class WorkerResult:
    """What came of a job.

    ``exit_code`` is negative for a signal, as in ``subprocess``. ``stdout`` and ``stderr`` hold the end of what
    was said, after a line that tells how much was left out where that is so; bytes that are no UTF-8 stand as
    surrogates (``text.encode("utf-8", "surrogateescape")`` gives them back). ``digests`` are the SHA-256 of those
    outputs that there are, as the worker saw them.
    """

    exit_code: int
    stdout: str
    stderr: str
    duration_ms: float
    digests: Mapping[str, str] = field(default_factory=dict[str, str])


def digests_of(job: WorkerJob) -> dict[str, str]:
    """The SHA-256 of those outputs of a job that there are. It blocks."""
    found: dict[str, str] = {}
    for name in job.outputs:
        path = (job.cwd or Path()) / name
        if path.is_file():
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
