"""What crosses to a worker that doesn't share our disk, and what comes back."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    Base64Bytes,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)

from helios.errors import (
    ArtifactMissing,
    CommandFailed,
    CommandNotFound,
    HeliosError,
    OutputError,
    StoreError,
    UsageError,
    WorkerError,
    WorkerLost,
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
        WorkerLost,
        WorkerRefused,
        WorkerTimeout,
    )
}


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"

_Bytes = Annotated[
    Base64Bytes,
    BeforeValidator(lambda text: _checked(text)),
    WithJsonSchema({"type": "string", "contentEncoding": "base64", "pattern": _BASE64}),
]


def _checked(text: object) -> object:
    """Text that is Base64, as bytes: what is not, decoding would leave out."""
    if not isinstance(text, str):
        return text
    if not re.search(_BASE64, text):
        raise ValueError("it is no Base64")
    return text.encode()


class ArtifactRef(_Message):
    """A file in the store: see ``Artifact``."""

    key: str
    digest: str
    size: int

    @classmethod
    def of(cls, artifact: Artifact) -> ArtifactRef:
        """An artifact as a message."""
        return cls(key=artifact.key, digest=artifact.digest, size=artifact.size)

    @property
    def artifact(self) -> Artifact:
        """What it says."""
        return Artifact(self.key, self.digest, self.size)


class Payload(_Message):
    """A job for a worker of the same ``release`` of Helios; see ``WorkerJob``.

    ``store`` is the URL of the store for all keys. Where ``progress`` is a key, the worker tells under it how far it is
    (a ``Pulse``), and stops when there is anything under ``progress`` with .stop behind it.
    """

    version: Literal[1] = VERSION
    release: str
    store: str
    progress: str | None = None
    command: str
    args: tuple[str, ...]
    env: dict[str, str]
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None
    inputs: dict[str, ArtifactRef | _Bytes]
    outputs: dict[str, str]

    @classmethod
    def of(cls, job: WorkerJob, *, release: str, store: str, progress: str | None = None) -> Payload:
        """The message that has ``job`` run."""
        inputs = {
            path: ArtifactRef.of(found) if isinstance(found, Artifact) else _encoded(found)
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

    @classmethod
    def read(cls, text: bytes | str, worker: str) -> Payload:
        """The payload that ``text`` (JSON) is, for a worker of that release.

        Raises:
            WorkerRefused: it is none, or one of another version.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = "".join(f"{part}." for part in map(str, first["loc"])).rstrip(".") or "message"
            message = (
                f"the worker is Helios {worker} and can't read this job{_release_in(text)}: {where}: {first['msg']}"
            )
            raise WorkerRefused(message) from None

    def job(self, command: str, args: tuple[str, ...], env: Mapping[str, str], folder: Path) -> WorkerJob:
        """The job to run in ``folder``, by the worker's own command line for it."""
        return WorkerJob(command, args, env, folder, self.timeout, outputs=self.outputs)


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


class JobResponse(_Message):
    """What came of a payload: see ``WorkerResult``. ``lines`` were said on stdout in all.

    It has taken ``seconds`` and, at most, ``memory_mb`` of a ``machine`` of this kind.
    """

    version: Literal[1] = VERSION
    failure: Failure | None = None
    exit_code: int = 0
    lines: int = 0
    stdout: str = ""
    stderr: str = ""
    outputs: dict[str, ArtifactRef] = {}
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


class Heartbeat(_Message):
    """How far a job has come: ``lines`` have been said, of which ``tail`` are the last."""

    lines: int
    tail: tuple[str, ...]
    seconds: float
    memory_mb: float


class OutputLine(_Message):
    """A line that the command has said on stdout."""

    event: Literal["line"] = "line"
    line: str


class HeartbeatEvent(_Message):
    """A sign of life, where nothing was said for a while; ``seconds`` since the job began."""

    event: Literal["beat"] = "beat"
    seconds: float


class JobFinished(_Message):
    """What came of the job: the last that is told of it."""

    event: Literal["finished"] = "finished"
    answer: JobResponse


Told = Annotated[OutputLine | HeartbeatEvent | JobFinished, Field(discriminator="event")]
"""What a worker tells of a job to whoever holds the line: one JSON object on each line."""

told: TypeAdapter[OutputLine | HeartbeatEvent | JobFinished] = TypeAdapter(Told)


def _release_in(text: bytes | str) -> str:
    try:
        found = json.loads(text)
    except ValueError:
        return ""
    return f" of Helios {found['release']}" if isinstance(found, dict) and "release" in found else ""


def _encoded(data: bytes) -> bytes:
    from base64 import b64encode

    return b64encode(data)
