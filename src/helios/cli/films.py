"""Showing a batch: a bar of films, and the table of what became of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import helios
from helios.batches import Batched, BatchEvent, BatchPlanned, FilmFailed, FilmKept, FilmMade
from helios.orchestrator import Warned

_COLOURS = {"made": "green", "kept": "blue", "failed": "red"}


class Silence:
    """Shows nothing."""

    def show(self, event: BatchEvent) -> None:
        """Shows one event."""

    def table(self, results: Sequence[helios.FilmResult]) -> None:
        """Shows what became of each row."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class JsonLines(Silence):
    """For machines: every event."""

    def show(self, event: BatchEvent) -> None:
        """Shows one event."""
        typer.echo(event.model_dump_json())


class Lines(Silence):
    """For people: warnings, a bar on terminals, and the table."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._films = self._bars.add_task("looking at the page", total=None)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, event: BatchEvent) -> None:
        """Shows one event."""
        match event:
            case BatchPlanned():
                self._bars.update(self._films, description=f"films by {event.workers} workers", total=event.films)
            case Warned():
                self._say(f"[yellow]warning:[/] {escape(event.message)}")
            case FilmFailed():
                self._bars.advance(self._films)
                self._say(f"[red]row {event.row}:[/] {escape(event.error)}")
            case FilmMade() | FilmKept():
                self._bars.advance(self._films)
            case Batched():
                cost = "" if event.cost is None else f", for {event.cost:.4f} USD"
                films = f"{event.made} films made, {event.kept} kept, {event.failed} failed"
                self._say(f"{films}: {event.frames} frames in {event.seconds:.1f} s{cost}")

    def _say(self, text: str) -> None:
        self._console.print(f"helios: {text}", highlight=False, soft_wrap=True)

    def table(self, results: Sequence[helios.FilmResult]) -> None:
        """Shows what became of each row."""
        table = Table("row", "film", "frames", "seconds", "", box=None)
        for column in (table.columns[0], table.columns[2], table.columns[3]):
            column.justify = "right"
        for result in results:
            frames = "" if result.frames is None else str(result.frames)
            seconds = "" if result.seconds is None else f"{result.seconds:.1f}"
            said = result.outcome if result.error is None else f"{result.outcome}: {result.error}"
            colour = _COLOURS[result.outcome]
            table.add_row(str(result.row), escape(str(result.output)), frames, seconds, f"[{colour}]{escape(said)}[/]")
        Console(width=None if sys.stdout.isatty() else 500).print(table)


def reporter(*, quiet: bool, json: bool) -> Silence:
    """What shows a batch, for how the command was called."""
    if json:
        return JsonLines()
    return Silence() if quiet else Lines()
