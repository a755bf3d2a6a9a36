"""One command to run anywhere, and its outcome."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class WorkerJob:
    """One command to run, anywhere.

    ``command`` is a program's name or path and ``args`` are its arguments, passed on as they are: there is
    never a shell. ``env`` is the whole environment that the command gets; nothing of the caller's is added.
    ``timeout`` is in seconds; None means none.
    """

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    cwd: Path | None = None
    timeout: float | None = None

    def __str__(self) -> str:
        """The command line, quoted for pasting into a shell."""
        return shlex.join((self.command, *self.args))


@dataclass(frozen=True, slots=True)
class WorkerResult:
    """What came of a job.

    ``exit_code`` is negative for a signal, as in ``subprocess``. ``stdout`` and ``stderr`` hold the end of what
    was said, after a line that tells how much was left out where that is so; bytes that are no UTF-8 stand as
    surrogates (``text.encode("utf-8", "surrogateescape")`` gives them back).
    """

    exit_code: int
    stdout: str
    stderr: str
    duration_ms: float
