"""Showing a batch: a bar of videos, and the table of what became of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

import helios
from helios.batches import BatchEvent, BatchFinished, BatchPlanned, VideoCached, VideoFailed, VideoRendered
from helios.cli.bars import NarrowProgress
from helios.orchestrator import WarningIssued

_COLOURS = {"rendered": "green", "cached": "blue", "failed": "red"}


class NullReporter:
    """Shows nothing."""

    def show(self, event: BatchEvent) -> None:
        """Shows one event."""

    def table(self, results: Sequence[helios.VideoResult]) -> None:
        """Shows what became of each row."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class JsonReporter(NullReporter):
    """For machines: every event."""

    def show(self, event: BatchEvent) -> None:
        """Shows one event."""
        typer.echo(event.model_dump_json())


class Lines(NullReporter):
    """For people: warnings, a bar on terminals, and the table."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = NarrowProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._videos = self._bars.add_task("looking at the page", total=None)

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
                self._bars.update(self._videos, description=f"videos by {event.workers} workers", total=event.videos)
            case WarningIssued():
                self._say(f"[yellow]warning:[/] {escape(event.message)}")
            case VideoFailed():
                self._bars.advance(self._videos)
                self._say(f"[red]row {event.row}:[/] {escape(event.error)}")
            case VideoRendered() | VideoCached():
                self._bars.advance(self._videos)
            case BatchFinished():
                cost = "" if event.cost is None else f", for {event.cost:.4f} USD"
                videos = f"{event.rendered} videos rendered, {event.cached} cached, {event.failed} failed"
                self._say(f"{videos}: {event.frames} frames in {event.seconds:.1f} s{cost}")

    def _say(self, text: str) -> None:
        self._console.print(f"helios: {text}", highlight=False, soft_wrap=True)

    def table(self, results: Sequence[helios.VideoResult]) -> None:
        """Shows what became of each row."""
        table = Table("row", "video", "frames", "seconds", "", box=None)
        for column in (table.columns[0], table.columns[2], table.columns[3]):
            column.justify = "right"
        for result in results:
            frames = "" if result.frames is None else str(result.frames)
            seconds = "" if result.seconds is None else f"{result.seconds:.1f}"
            message = result.outcome if result.error is None else f"{result.outcome}: {result.error}"
            colour = _COLOURS[result.outcome]
            table.add_row(
                str(result.row), escape(str(result.output)), frames, seconds, f"[{colour}]{escape(message)}[/]"
            )
        Console(width=None if sys.stdout.isatty() else 500).print(table)


def reporter(*, quiet: bool, json: bool) -> NullReporter:
    """What shows a batch, for how the command was called."""
    if json:
        return JsonReporter()
    return NullReporter() if quiet else Lines()
