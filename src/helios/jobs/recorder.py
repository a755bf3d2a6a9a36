"""Writing what a runner does into the journal, many entries at a time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable

from helios.errors import OutputError
from helios.jobs.journal import Journal, JournalBatch
from helios.jobs.transitions import OutputLine, chunk_transition
from helios.orchestrator import RenderEvent, RenderFinished
from helios.orchestrator.events import (
    ChunkCached,
    ChunkFinished,
    ChunkProgressed,
    CommandsPlanned,
    RenderPlanned,
    WarningIssued,
)

WRITE_INTERVAL = 0.2
"""Seconds between two writes."""
MAX_OUTPUT_LINES = 20_000
"""The journal stores at most this many lines of output a run."""
MAX_LINE = 2_000
"""The journal cuts longer lines, in characters."""


class Recorder:
    """Writes events, transitions, output and progress of one job; ``redact`` removes secrets from texts."""

    def __init__(self, journal: Journal, job: str, redact: Callable[[str], str] = lambda text: text) -> None:
        self._journal = journal
        self._job = job
        self._redact = redact
        self._batch = JournalBatch()
        self._most: dict[int, int] = {}
        self._lines = 0
        self._host = socket.gethostname()

    def record(self, event: RenderEvent) -> None:
        """Adds an event, and the change of a chunk's state that it reports."""
        match event:
            case RenderPlanned() | CommandsPlanned():
                self._most, self._batch.progress = {}, {}
            case ChunkProgressed():
                if event.frames > self._most.get(event.chunk, 0):
                    self._most[event.chunk] = event.frames
                    self._batch.progress[event.chunk] = (event.frames, False)
                return
            case ChunkFinished() | ChunkCached():
                self._most.pop(event.chunk, None)
                self._batch.progress[event.chunk] = (event.frames, True)
            case RenderFinished():
                event = event.model_copy(update={"hashes": ()})  # they are stored with the chunks
            case WarningIssued():
                self._batch.output.append(OutputLine(time.time(), None, f"warning: {event.message}"))
            case _:
                pass
        self._batch.events.append((time.time(), event))
        if transition := chunk_transition(self._host, event):
            self._batch.transitions.append(transition)

    def record_output(self, chunk: int | None, line: str) -> None:
        """Adds a line that the command of a chunk printed."""
        self._lines += 1
        if self._lines > MAX_OUTPUT_LINES:
            return
        last = self._lines == MAX_OUTPUT_LINES
        text = f"(more than {MAX_OUTPUT_LINES} lines: the rest is not stored)" if last else self._redact(line)
        text = text.encode("utf-8", "replace").decode()  # bytes that were not UTF-8 are surrogates
        self._batch.output.append(OutputLine(time.time(), None if last else chunk, text[:MAX_LINE]))

    def flush(self) -> None:
        """Writes the entries that are not written yet."""
        if self._batch:
            with contextlib.suppress(OutputError):  # a full disk must not stop the job; the next flush tries again
                self._journal.write(self._job, self._batch)
                self._batch = JournalBatch()

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(WRITE_INTERVAL)
            self.flush()

    async def __aenter__(self) -> Recorder:
        self._task = asyncio.create_task(self._keep_writing())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self.flush()
