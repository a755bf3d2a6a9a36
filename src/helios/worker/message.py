"""The messages between Helios and a remote worker."""

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
    BeforeValidator(lambda text: _to_base64(text)),
    WithJsonSchema({"type": "string", "contentEncoding": "base64", "pattern": _BASE64}),
]


def _to_base64(text: object) -> object:
    """Base64 text as bytes. Decoding alone would skip characters that are no Base64."""
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
        """The artifact that it refers to."""
        return Artifact(self.key, self.digest, self.size)


class Payload(_Message):
    """A job for a worker of the same ``release`` of Helios; see ``WorkerJob``.

    ``store`` is the URL of the store for all keys. Where ``progress`` is a key, the worker writes its progress
    there (a ``Heartbeat``), and stops when the store has the key ``progress`` followed by .stop.
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
        """The message for ``job``."""
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
        """Parses a payload from ``text`` (JSON), for a ``worker`` of that release.

        Raises:
            WorkerRefused: it is no payload, or one of another version.
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
        """The error that it describes; a ``WorkerError`` for a code that workers don't raise."""
        return _ERRORS.get(self.code, WorkerError)(self.message)


class JobResponse(_Message):
    """The result of a payload: see ``WorkerResult``. ``lines`` is the number of lines on stdout.

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
        """The result that it describes.

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
            {path: ref.artifact for path, ref in self.outputs.items()},
        )


class Heartbeat(_Message):
    """The progress of a job: the number of ``lines`` on stdout so far, and the last of them, the ``tail``."""

    lines: int
    tail: tuple[str, ...]
    seconds: float
    memory_mb: float


class OutputLine(_Message):
    """A line that the command has printed on stdout."""

    event: Literal["line"] = "line"
    line: str


class HeartbeatEvent(_Message):
    """A sign of life of a job that printed nothing for a while; ``seconds`` since it started."""

    event: Literal["heartbeat"] = "heartbeat"
    seconds: float


class JobFinished(_Message):
    """The result of the job: its last event."""

    event: Literal["finished"] = "finished"
    response: JobResponse


WorkerEvent = Annotated[OutputLine | HeartbeatEvent | JobFinished, Field(discriminator="event")]
"""An event of a running job: one JSON object on each line of the HTTP response."""

worker_event: TypeAdapter[OutputLine | HeartbeatEvent | JobFinished] = TypeAdapter(WorkerEvent)


def _release_in(text: bytes | str) -> str:
    try:
        found = json.loads(text)
    except ValueError:
        return ""
    return f" of Helios {found['release']}" if isinstance(found, dict) and "release" in found else ""


def _encoded(data: bytes) -> bytes:
    from base64 import b64encode

    return b64encode(data)
