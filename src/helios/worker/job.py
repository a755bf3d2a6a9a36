"""One command to run anywhere, and its outcome."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Artifact:
    """A stored file: its key in a store, its SHA-256 in hexadecimal, and how many bytes it has."""

    key: str
    digest: str
    size: int

    @classmethod
    def of(cls, path: Path, key: str) -> Artifact:
        """The artifact for the file at ``path``, under ``key``. It blocks."""
        with path.open("rb") as file:
            return cls(key, hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


@dataclass(frozen=True, slots=True)
class WorkerJob:
    """One command to run, anywhere.

    ``command`` is a program's name or path and ``args`` are its arguments, passed on as they are: there is
    never a shell. ``env`` is the whole environment that the command gets; nothing of the caller's is added.
    ``timeout`` is in seconds; None means none. It runs in the folder ``cwd``, or, with a worker that doesn't share our
    disk, in an empty one. ``inputs`` are files that such a worker puts there first, by their paths in it: as they are,
    from a store, or, where the path ends with a slash, as a folder unpacked from a bundle. ``outputs`` are the
    files that the command will write, by their paths, and the keys under which such a worker stores them.
    """

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    cwd: Path | None = None
    timeout: float | None = None
    inputs: Mapping[str, bytes | Artifact] = field(default_factory=dict[str, bytes | Artifact])
    outputs: Mapping[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        """The command line, quoted for pasting into a shell."""
        return shlex.join((self.command, *self.args))


@dataclass(frozen=True, slots=True)
class Usage:
    """The resources of a job: billed seconds, peak memory (MB), and their cost (US dollars)."""

    billed_s: float
    memory_mb: float
    cost: float


@dataclass(frozen=True, slots=True)
class WorkerResult:
    """The result of a job.

    ``exit_code`` is negative for a signal, as in ``subprocess``. ``stdout`` and ``stderr`` hold the end of the
    output, after a line with the number of bytes left out, if any; bytes that are no UTF-8 stand as
    surrogates (``text.encode("utf-8", "surrogateescape")`` gives them back). ``outputs`` are those that there are, as
    the worker saw them; ``usage`` comes from paid workers.
    """

    exit_code: int
    stdout: str
    stderr: str
    duration_ms: float
    outputs: Mapping[str, Artifact] = field(default_factory=dict[str, Artifact])
    usage: Usage | None = None
