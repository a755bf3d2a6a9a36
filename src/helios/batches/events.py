"""What happens to a batch, as a stream of typed events. ``helios batch --json`` prints them, a line each."""

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
    """The page was looked at with a row's data, and so many ``videos`` are to be there in the end.

    Size and rate are that row's; others may have others.
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
    """A row's video was drawn, and is at ``output``. It took ``seconds``, of them ``loading`` up to its first image.

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
    """A row's video need not be drawn: it was made of the same before. It is at ``output``."""

    event: Literal["video-cached"] = "video-cached"
    row: int
    output: Path
    frames: int
    hashes: tuple[str, ...]


class VideoFailed(_Event):
    """A row's video can't be made; the others are. ``code`` is that of the error's class in ``helios.errors``."""

    event: Literal["video-failed"] = "video-failed"
    row: int
    output: Path
    error: str
    code: str


class BatchFinished(_Event):
    """All rows have been seen to, in ``seconds``. ``cost`` is what workers have cost (US dollars), if anything."""

    event: Literal["batch-finished"] = "batch-finished"
    rendered: int
    cached: int
    failed: int
    frames: int
    seconds: float
    cost: float | None = None


class VideoResult(_Event):
    """What became of a row: ``seconds`` is what drawing took, if it was; ``error`` is why there is no video."""

    row: int
    output: Path
    outcome: Outcome
    frames: int | None = None
    seconds: float | None = None
    error: str | None = None


BatchEvent = BatchPlanned | WarningIssued | VideoRendered | VideoCached | VideoFailed | BatchFinished
"""Any of them; ``event`` tells which."""

BatchSink = Callable[[BatchEvent], None]
