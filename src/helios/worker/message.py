"""What crosses to a worker that doesn't share our disk, and what comes back."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from helios.errors import (
    ArtifactMissing,
    CommandFailed,
    CommandNotFound,
    HeliosError,
    OutputError,
    StoreError,
    UsageError,
    WorkerError,
    WorkerRefused,
    WorkerTimeout,
)
from helios.worker.job import Artifact, WorkerJob, WorkerResult

VERSION = 1

_ERRORS = {
    kind.code: kind
    for kind in (
        ArtifactMissing,
        CommandFailed,
        CommandNotFound,
        OutputError,
        StoreError,
        UsageError,
        WorkerRefused,
        WorkerTimeout,
    )
}


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Kept(_Message):
    """A file in the store: see ``Artifact``."""

    key: str
    digest: str
    size: int

    @classmethod
    def of(cls, artifact: Artifact) -> Kept:
        """An artifact as a message."""
        return cls(key=artifact.key, digest=artifact.digest, size=artifact.size)

    @property
    def artifact(self) -> Artifact:
        """What it says."""
        return Artifact(self.key, self.digest, self.size)


class Payload(_Message):
    """A job for a worker of the same ``release`` of Helios; see ``WorkerJob``.

    ``store`` is the URL of the store for all keys. The worker tells how far it is under the key ``progress`` (a
    ``Pulse``), and stops when there is anything under ``progress`` with .stop behind it.
    """

    version: Literal[1] = VERSION
    release: str
    store: str
    progress: str
    command: str
    args: tuple[str, ...]
    env: dict[str, str]
    timeout: float | None
    inputs: dict[str, Kept | Base64Bytes]
    outputs: dict[str, str]

    @classmethod
    def of(cls, job: WorkerJob, *, release: str, store: str, progress: str) -> Payload:
        """The message that has ``job`` run."""
        inputs = {
            path: Kept.of(found) if isinstance(found, Artifact) else _encoded(found)
            for path, found in job.inputs.items()
        }
        return cls.model_validate(
            {
                "release": release,
                "store": store,
                "progress": progress,
                "command": job.command,
                "args": job.args,
                "env": dict(job.env),
                "timeout": job.timeout,
                "inputs": inputs,
                "outputs": dict(job.outputs),
            }
        )

    def job(self, command: str, args: tuple[str, ...], env: Mapping[str, str], folder: Path) -> WorkerJob:
        """The job to run in ``folder``, by the worker's own ``command`` for it."""
        return WorkerJob(command, (*args, *self.args), env, folder, self.timeout, outputs=self.outputs)


class Failure(_Message):
    """Why a job could not be run."""

    code: str
    message: str

    @classmethod
    def of(cls, error: HeliosError) -> Failure:
        """An error as a message."""
        return cls(code=error.code, message=str(error))

    def error(self) -> HeliosError:
        """What it says; an error of a class that workers don't raise is a ``WorkerError``."""
        return _ERRORS.get(self.code, WorkerError)(self.message)


class Answer(_Message):
    """What came of a payload: see ``WorkerResult``. ``lines`` were said on stdout in all.

    It has taken ``seconds`` and, at most, ``memory_mb`` of a ``machine`` of this kind.
    """

    version: Literal[1] = VERSION
    failure: Failure | None = None
    exit_code: int = 0
    lines: int = 0
    stdout: str = ""
    stderr: str = ""
    outputs: dict[str, Kept] = {}
    seconds: float
    memory_mb: float
    machine: str = Field(default_factory=platform.machine)

    def result(self) -> WorkerResult:
        """What it says.

        Raises:
            HeliosError: the job could not be run.
        """
        if self.failure:
            raise self.failure.error()
        return WorkerResult(
            self.exit_code,
            self.stdout,
            self.stderr,
            self.seconds * 1000,
            {path: kept.artifact for path, kept in self.outputs.items()},
        )


class Pulse(_Message):
    """How far a job has come: ``lines`` have been said, of which ``tail`` are the last."""

    lines: int
    tail: tuple[str, ...]
    seconds: float
    memory_mb: float


def _encoded(data: bytes) -> bytes:
    from base64 import b64encode

    return b64encode(data)
