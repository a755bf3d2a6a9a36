"""Showing events on a terminal: a bar for the video, and a line for each worker."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.constrain import Constrain
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from helios.cli.reporters import failed, summary
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


class NarrowProgress(Progress):
    """Progress bars that leave two columns of the terminal free.

    A terminal echoes ^C at the end of the last bar. If that wrapped, one line of the bars would stay on the screen.
    """

    _ECHO = 2

    def __init__(self, *columns: ProgressColumn, console: Console, disable: bool = False) -> None:
        self._terminal = console
        super().__init__(*columns, console=console, transient=True, disable=disable)

    def get_renderable(self) -> RenderableType:
        return Constrain(super().get_renderable(), max(1, self._terminal.width - self._ECHO))


class Bars:
    """For terminals: one bar for the video, one line for each worker."""

    def __init__(self) -> None:
        self._console = console = Console(stderr=True)
        self._stack = ExitStack()
        self._bars = NarrowProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
        )
        self._video: TaskID | None = None
        self._workers: dict[int, TaskID] = {}
        self._drawn: dict[int, int] = {}
        self._done = 0
        self._streams = False

    def __enter__(self) -> Self:
        self._stack.enter_context(self._bars)
        self._video = self._bars.add_task("looking at the page", total=None, rate="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def show(self, event: RenderEvent) -> None:
        assert self._video is not None
        match event:
            case RenderPlanned():
                text = f"{event.width}x{event.height} at {float(event.fps):g} fps"
                self._begin(text, event.frames)
            case CommandsPlanned():
                self._begin(f"{event.chunks} commands", event.frames)
            case WarningIssued():
                self._console.print(f"[yellow]warning:[/] {escape(event.message)}")
            case ChunkStarted():
                self._line(event.worker, f"worker {event.worker}: chunk {event.chunk}", 0, event.stop - event.start)
                self._count(event.chunk, 0)
            case ChunkProgressed():
                self._bars.update(self._workers[event.worker], completed=event.frames)
                self._count(event.chunk, event.frames)
            case ChunkFinished():
                self._bars.update(self._workers[event.worker], completed=event.frames)
                self._count(event.chunk, event.frames)
            case ChunkCached():
                self._count(event.chunk, event.frames)
            case ChunkAttemptFailed():
                if event.retried:
                    self._console.print(f"[yellow]{escape(failed(event))}[/]")
            case PlaylistUpdated():
                self._playable(event)
            case StitchStarted():
                self._bars.update(self._video, description=f"joining {event.segments} segments")
            case RenderFinished():
                self._console.print(summary(event), highlight=False)

    def _playable(self, event: PlaylistUpdated) -> None:
        if not self._streams:
            self._console.print(f"{event.playlist} can be played from now on", highlight=False)
        self._streams = True

    def _begin(self, text: str, frames: int) -> None:
        assert self._video is not None
        self._drawn.clear()
        self._done = 0
        self._bars.reset(self._video, total=frames, description=text, rate="")

    def _line(self, worker: int, text: str, done: int, total: int) -> None:
        if worker not in self._workers:
            self._workers[worker] = self._bars.add_task(text, total=total, rate="")
        self._bars.reset(self._workers[worker], total=total, completed=done, description=text, rate="")

    def _count(self, chunk: int, frames: int) -> None:
        assert self._video is not None
        self._done += frames - self._drawn.get(chunk, 0)
        self._drawn[chunk] = frames
        elapsed = next(task.elapsed for task in self._bars.tasks if task.id == self._video) or 0
        rate = f"{self._done / elapsed:.1f} frames/s" if elapsed else ""
        self._bars.update(self._video, completed=self._done, rate=rate)
