"""Showing events: a bar and a line for each worker, JSON lines, or only the end."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Protocol, Self

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from helios.orchestrator import (
    ChunkAttemptFailed,
    ChunkFinished,
    ChunkProgress,
    ChunkStarted,
    Planned,
    Rendered,
    RenderEvent,
    Stitching,
    Warned,
)


class Reporter(AbstractContextManager["Reporter"], Protocol):
    """Shows events as they come."""

    def show(self, event: RenderEvent) -> None:
        """Shows one event."""
        ...


def reporter(*, quiet: bool, json: bool) -> Reporter:
    """The reporter for how the command was called, and where its output goes."""
    if json:
        return _JsonLines()
    console = Console(stderr=True)
    if quiet:
        return _Silence()
    return _Bars(console) if console.is_terminal else _Summary()


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
                typer.echo(f"helios: {_failed(event)}", err=True)
            case Rendered():
                typer.echo(_summary(event), err=True)
            case _:
                pass


class _Bars:
    """For terminals: one bar for the film, one line for each worker."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stack = ExitStack()
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            transient=True,
        )
        self._film: TaskID | None = None
        self._workers: dict[int, TaskID] = {}
        self._drawn: dict[int, int] = {}

    def __enter__(self) -> Self:
        self._stack.enter_context(self._bars)
        self._film = self._bars.add_task("looking at the page", total=None, rate="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def show(self, event: RenderEvent) -> None:
        assert self._film is not None
        match event:
            case Planned():
                text = f"{event.width}x{event.height} at {float(event.fps):g} fps"
                self._bars.reset(self._film, total=event.frames, description=text, rate="")
            case Warned():
                self._console.print(f"[yellow]warning:[/] {escape(event.message)}")
            case ChunkStarted():
                self._line(event.worker, f"worker {event.worker}: chunk {event.chunk}", 0, event.stop - event.start)
                self._count(event.chunk, 0)
            case ChunkProgress():
                self._bars.update(self._workers[event.worker], completed=event.frames)
                self._count(event.chunk, event.frames)
            case ChunkFinished():
                self._bars.update(self._workers[event.worker], completed=event.frames)
                self._count(event.chunk, event.frames)
            case ChunkAttemptFailed():
                if event.retried:
                    self._console.print(f"[yellow]{escape(_failed(event))}[/]")
            case Stitching():
                self._bars.update(self._film, description=f"joining {event.segments} segments")
            case Rendered():
                self._console.print(_summary(event), highlight=False)

    def _line(self, worker: int, text: str, done: int, total: int) -> None:
        if worker not in self._workers:
            self._workers[worker] = self._bars.add_task(text, total=total, rate="")
        self._bars.reset(self._workers[worker], total=total, completed=done, description=text, rate="")

    def _count(self, chunk: int, frames: int) -> None:
        assert self._film is not None
        self._drawn[chunk] = frames
        done = sum(self._drawn.values())
        elapsed = next(task.elapsed for task in self._bars.tasks if task.id == self._film) or 0
        rate = f"{done / elapsed:.1f} frames/s" if elapsed else ""
        self._bars.update(self._film, completed=done, rate=rate)


def _failed(event: ChunkAttemptFailed) -> str:
    return f"chunk {event.chunk}, attempt {event.attempt} failed and is tried again: {event.error}"


def _summary(event: Rendered) -> str:
    speed = event.frames / event.seconds
    return (
        f"{event.output}: {event.frames} frames, {event.duration:.3f} s, "
        f"rendered in {event.seconds:.1f} s ({speed:.1f} frames/s)"
    )
