"""Showing events: bars, JSON lines, or only the end."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self

import typer

from helios.orchestrator import ChunkAttemptFailed, Rendered, RenderEvent, Warned


class Reporter(AbstractContextManager["Reporter"], Protocol):
    """Shows events as they come."""

    def show(self, event: RenderEvent) -> None:
        """Shows one event."""
        ...


def reporter(*, quiet: bool, json: bool) -> Reporter:
    """The reporter for how the command was called, and where its output goes."""
    if json:
        return _JsonLines()
    if quiet:
        return _Silence()
    if not sys.stderr.isatty():
        return _Summary()
    from helios.cli.bars import Bars  # what draws them takes its time to load

    return Bars()


class _Silence:
    def show(self, event: RenderEvent) -> None:
        """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class _JsonLines(_Silence):
    def show(self, event: RenderEvent) -> None:
        typer.echo(event.model_dump_json())


class _Summary(_Silence):
    """For logs: warnings, failed attempts and the end."""

    def show(self, event: RenderEvent) -> None:
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
