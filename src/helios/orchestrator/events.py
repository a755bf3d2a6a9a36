"""The events of a render, typed. ``helios render --json`` prints them, one a line."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from helios.renderer.messages import CaptureMethod, Comparison, Motion


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RenderPlanned(_Message):
    """The page was probed and the video planned. ``frames`` counts the frames of all chunks.

    ``comparison`` is the reason for ``capture``, where Helios chose it. The event comes again if the video is rendered
    again, with another capture method or in one chunk.
    """

    event: Literal["render-planned"] = "render-planned"
    width: int
    height: int
    fps: Fraction
    frames: int
    chunks: int
    workers: int
    capture: CaptureMethod
    comparison: Comparison | None
    motion: Motion
    browser: str


class CommandsPlanned(_Message):
    """A job of plain commands was planned. ``frames`` counts the frames of all chunks."""

    event: Literal["commands-planned"] = "commands-planned"
    frames: int
    chunks: int
    workers: int


class WarningIssued(_Message):
    """A problem was found that does not prevent the video."""

    event: Literal["warning-issued"] = "warning-issued"
    message: str


class ChunkStarted(_Message):
    """A worker started an attempt (counted from 1) at a chunk: frames ``start`` to ``stop`` (not included)."""

    event: Literal["chunk-started"] = "chunk-started"
    chunk: int
    attempt: int
    worker: int
    start: int
    stop: int


class ChunkProgressed(_Message):
    """A worker has drawn and encoded ``frames`` frames of a chunk."""

    event: Literal["chunk-progressed"] = "chunk-progressed"
    chunk: int
    worker: int
    frames: int


class ChunkAttemptFailed(_Message):
    """An attempt at a chunk failed with ``error``. The chunk is retried if ``retried``.

    ``code`` is that of the error's class in ``helios.errors``.
    """

    event: Literal["chunk-attempt-failed"] = "chunk-attempt-failed"
    chunk: int
    attempt: int
    worker: int
    error: str
    code: str
    retried: bool


class ChunkFinished(_Message):
    """A chunk's segment is complete. ``repeated`` of its frames showed no change and needed no image."""

    event: Literal["chunk-finished"] = "chunk-finished"
    chunk: int
    attempt: int
    worker: int
    frames: int
    repeated: int
    seconds: float


class ChunkCached(_Message):
    """A chunk was found in the cache, rendered from the same inputs."""

    event: Literal["chunk-cached"] = "chunk-cached"
    chunk: int
    frames: int
    start: int
    stop: int


class PlaylistUpdated(_Message):
    """The stream at ``playlist`` has the first ``frames`` frames of the video, perhaps without the last half second."""

    event: Literal["playlist-updated"] = "playlist-updated"
    playlist: Path
    frames: int


class StitchStarted(_Message):
    """All segments are complete, and joining them has started."""

    event: Literal["stitch-started"] = "stitch-started"
    segments: int


class RenderResult(_Message):
    """A finished video: ``frames`` frames, ``duration`` seconds long (None for commands), rendered in ``seconds``.

    Workers made ``attempts`` attempts; the video consists of ``rendered_chunks`` new chunks and ``cached_chunks`` from
    the store. ``hashes`` are the XXH3-128 of each frame's RGB pixels before encoding, in order: equal videos have equal
    hashes, however they were split. ``cost`` is the price of the workers (US dollars), None where they are free.
    """

    output: Path
    frames: int
    duration: float | None
    seconds: float
    attempts: int
    rendered_chunks: int
    cached_chunks: int
    hashes: tuple[str, ...]
    cost: float | None = None


class RenderFinished(RenderResult):
    """The video is complete. The fields are those of ``RenderResult``."""

    event: Literal["render-finished"] = "render-finished"

    @classmethod
    def from_result(cls, result: RenderResult) -> RenderFinished:
        """The event that reports ``result``."""
        return cls.model_validate(dict(result))

    def result(self) -> RenderResult:
        """What the event reports."""
        return RenderResult.model_validate(self.model_dump(exclude={"event"}))


class RunFailed(_Message):
    """The command failed. ``code`` is that of ``helios.errors``. Only the command line prints this event."""

    event: Literal["run-failed"] = "run-failed"
    code: str
    message: str


RenderEvent = (
    RenderPlanned
    | CommandsPlanned
    | WarningIssued
    | ChunkStarted
    | ChunkProgressed
    | ChunkAttemptFailed
    | ChunkCached
    | ChunkFinished
    | PlaylistUpdated
    | StitchStarted
    | RenderFinished
)
"""Any event of a render; its type is in ``event``."""

EventSink = Callable[[RenderEvent], None]

E = TypeVar("E")


def drop_repeated_warnings(emit: Callable[[E], None]) -> Callable[[E], None]:
    """``emit``, but with each warning only the first time."""
    seen: set[str] = set()

    def emit_once(event: E) -> None:
        if isinstance(event, WarningIssued):
            if event.message in seen:
                return
            seen.add(event.message)
        emit(event)

    return emit_once
