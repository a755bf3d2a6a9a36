"""Showing events as lines, or not at all."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import typer

from helios.orchestrator import (
    ChunkAttemptFailed,
    ChunkCached,
    ChunkFinished,
    ChunkProgressed,
    ChunkStarted,
    CommandsPlanned,
    PlaylistUpdated,
    RenderEvent,
    RenderFinished,
    RenderPlanned,
    StitchStarted,
    WarningIssued,
)


class NullReporter:
    """Shows nothing."""

    def show(self, event: RenderEvent) -> None:
        """Shows one event."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class JsonReporter(NullReporter):
    """For machines: every event."""

    def show(self, event: RenderEvent) -> None:
        """Shows one event."""
        typer.echo(event.model_dump_json())


class Summary(NullReporter):
    """For logs: warnings, failed attempts and the end."""

    def show(self, event: RenderEvent) -> None:
        """Shows one event."""
        match event:
            case WarningIssued():
                typer.echo(f"helios: warning: {event.message}", err=True)
            case ChunkAttemptFailed(retried=True):
                typer.echo(f"helios: {failed(event)}", err=True)
            case RenderFinished():
                typer.echo(summary(event), err=True)
            case _:
                pass


def failed(event: ChunkAttemptFailed) -> str:
    """One line for an attempt that is made again."""
    return f"chunk {event.chunk}, attempt {event.attempt} failed and is tried again: {event.error}"


def summary(event: RenderFinished) -> str:
    """One line for a video that is there."""
    speed = event.frames / event.seconds
    length = "" if event.duration is None else f"{event.duration:.3f} s, "
    cached = f"; {event.cached_chunks} chunks were cached" if event.cached_chunks else ""
    cost = "" if event.cost is None else f", for {event.cost:.4f} USD"
    took = f"rendered in {event.seconds:.1f} s{cost} ({speed:.1f} frames/s{cached})"
    return f"{event.output}: {event.frames} frames, {length}{took}"


def describe(event: RenderEvent) -> str:
    """One line for anything that has happened."""
    match event:
        case RenderPlanned():
            return (
                f"{event.frames} frames of {event.width}x{event.height} in {event.chunks} chunks "
                f"by {event.workers} workers, capture {event.capture}"
            )
        case CommandsPlanned():
            return f"{event.frames} frames in {event.chunks} commands by {event.workers} workers"
        case WarningIssued():
            return f"warning: {event.message}"
        case ChunkStarted():
            frames = f"frames {event.start}:{event.stop}"
            return f"chunk {event.chunk} ({frames}), attempt {event.attempt}: started by worker {event.worker}"
        case ChunkProgressed():
            return f"chunk {event.chunk}: {event.frames} frames"
        case ChunkAttemptFailed():
            return failed(event) if event.retried else f"chunk {event.chunk} failed: {event.error}"
        case ChunkCached():
            return f"chunk {event.chunk} (frames {event.start}:{event.stop}): is there already"
        case ChunkFinished():
            return f"chunk {event.chunk}, attempt {event.attempt}: made in {event.seconds:.1f} s"
        case PlaylistUpdated():
            return f"{event.playlist}: {event.frames} frames can be played"
        case StitchStarted():
            return f"joining {event.segments} segments"
        case RenderFinished():
            return summary(event)
