"""Showing events as lines, or not at all."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import typer

from helios.orchestrator import ChunkAttemptFailed, Rendered, RenderEvent, Warned


class Silence:
    """Shows nothing."""

    def show(self, event: RenderEvent) -> None:
        """Shows one event."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class JsonLines(Silence):
    """For machines: every event."""

    def show(self, event: RenderEvent) -> None:
        """Shows one event."""
        typer.echo(event.model_dump_json())


class Summary(Silence):
    """For logs: warnings, failed attempts and the end."""

    def show(self, event: RenderEvent) -> None:
        """Shows one event."""
        match event:
            case Warned():
                typer.echo(f"helios: warning: {event.message}", err=True)
            case ChunkAttemptFailed(retried=True):
                typer.echo(f"helios: {failed(event)}", err=True)
            case Rendered():
                typer.echo(summary(event), err=True)
            case _:
                pass


def failed(event: ChunkAttemptFailed) -> str:
    """One line for an attempt that is made again."""
    return f"chunk {event.chunk}, attempt {event.attempt} failed and is tried again: {event.error}"


def summary(event: Rendered) -> str:
    """One line for a film that is there."""
    speed = event.frames / event.seconds
    return (
        f"{event.output}: {event.frames} frames, {event.duration:.3f} s, "
        f"rendered in {event.seconds:.1f} s ({speed:.1f} frames/s)"
    )
