"""The events of a batch, typed. ``helios batch --json`` prints them, one a line."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from helios.orchestrator.events import WarningIssued
from helios.renderer.messages import CaptureMethod, Comparison

Outcome = Literal["rendered", "cached", "failed"]


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BatchPlanned(_Event):
    """The page was probed with a row's props, and a batch of ``videos`` was planned.

    ``width``, ``height`` and ``fps`` are that row's; other rows may differ.
    """

    event: Literal["batch-planned"] = "batch-planned"
    videos: int
    workers: int
    width: int
    height: int
    fps: Fraction
    capture: CaptureMethod
    comparison: Comparison | None
    browser: str


class VideoRendered(_Event):
    """A worker rendered a row's video in ``seconds``, of them ``loading`` up to its first image.

    ``hashes`` are those of its frames, as in ``RenderResult``.
    """

    event: Literal["video-rendered"] = "video-rendered"
    row: int
    output: Path
    frames: int
    seconds: float
    loading: float
    worker: int
    hashes: tuple[str, ...]


class VideoCached(_Event):
    """A row's video was found in the cache, rendered from the same inputs."""

    event: Literal["video-cached"] = "video-cached"
    row: int
    output: Path
    frames: int
    hashes: tuple[str, ...]


class VideoFailed(_Event):
    """A row's video can't be rendered. ``code`` is that of the error's class in ``helios.errors``."""

    event: Literal["video-failed"] = "video-failed"
    row: int
    output: Path
    error: str
    code: str


class BatchFinished(_Event):
    """The batch is finished, in ``seconds``. ``cost`` is the price of the workers (US dollars), None where free."""

    event: Literal["batch-finished"] = "batch-finished"
    rendered: int
    cached: int
    failed: int
    frames: int
    seconds: float
    cost: float | None = None


class VideoResult(_Event):
    """The result of a row. ``seconds`` is the rendering time, None unless rendered; ``error`` is for failed ones."""

    row: int
    output: Path
    outcome: Outcome
    frames: int | None = None
    seconds: float | None = None
    error: str | None = None


BatchEvent = BatchPlanned | WarningIssued | VideoRendered | VideoCached | VideoFailed | BatchFinished
"""Any event of a batch; its type is in ``event``."""

BatchSink = Callable[[BatchEvent], None]
