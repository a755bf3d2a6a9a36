"""What happens to a job, as a stream of typed events. ``helios render --json`` prints them, a line each."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from helios.renderer.messages import CaptureMethod, Comparison, Motion


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RenderPlanned(_Message):
    """The page was looked at, and what is to be drawn is settled. ``frames`` are those of the chunks.

    ``comparison`` says why ``capture`` was chosen, where the choice was left to Helios. It comes a second time if
    fast capture turned out to be unsafe and the video is drawn again.
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
    """A job of plain commands begins: so many chunks of so many frames in all, by so many workers."""

    event: Literal["commands-planned"] = "commands-planned"
    frames: int
    chunks: int
    workers: int


class WarningIssued(_Message):
    """Something is off, but not so that the video can't be made."""

    event: Literal["warning-issued"] = "warning-issued"
    message: str


class ChunkStarted(_Message):
    """A worker took a chunk: frames ``start`` to ``stop`` (not included). ``attempt`` counts from 1."""

    event: Literal["chunk-started"] = "chunk-started"
    chunk: int
    attempt: int
    worker: int
    start: int
    stop: int


class ChunkProgressed(_Message):
    """``frames`` frames of a chunk are drawn and encoded."""

    event: Literal["chunk-progressed"] = "chunk-progressed"
    chunk: int
    worker: int
    frames: int


class ChunkAttemptFailed(_Message):
    """An attempt at a chunk failed with ``error``; it is tried again where ``retried`` says so.

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
    """A chunk's segment is whole. ``repeated`` of its frames had no damage and cost no image."""

    event: Literal["chunk-finished"] = "chunk-finished"
    chunk: int
    attempt: int
    worker: int
    frames: int
    repeated: int
    seconds: float


class ChunkCached(_Message):
    """A chunk need not be made: the store holds it, made of the same."""

    event: Literal["chunk-cached"] = "chunk-cached"
    chunk: int
    frames: int
    start: int
    stop: int


class PlaylistUpdated(_Message):
    """The first ``frames`` frames of the video can be played, at ``playlist``, or nearly: their last piece may be
    missing."""

    event: Literal["playlist-updated"] = "playlist-updated"
    playlist: Path
    frames: int


class StitchStarted(_Message):
    """All segments are there and are being joined."""

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
    """The job ended with an error. ``code`` is that of ``helios.errors``. Printed by the command line only."""

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
"""Any of them; ``event`` tells which."""

EventSink = Callable[[RenderEvent], None]
