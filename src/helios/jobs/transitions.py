"""The entries of a job's log: changes of state, and lines that its commands printed."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Literal

from helios.jobs.states import JobState
from helios.orchestrator import ChunkAttemptFailed, ChunkCached, ChunkFinished, ChunkStarted, RenderEvent

ChunkState = Literal["queued", "running", "done", "cached", "failed"]
"""``cached``: an earlier job rendered the chunk. After a failed attempt a chunk is ``queued`` again, or ``failed``."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state of a job, or, with ``chunk``, of one of its chunks.

    ``at`` is in seconds since 1970; ``host`` is the machine that runs the job. ``attempt`` counts from 1. A job or
    chunk that is new has no ``old_state``.
    """

    at: float
    host: str
    old_state: JobState | ChunkState | None
    new_state: JobState | ChunkState
    reason: str
    chunk: int | None = None
    attempt: int | None = None

    @classmethod
    def now(
        cls,
        host: str,
        old_state: JobState | ChunkState | None,
        new_state: JobState | ChunkState,
        reason: str,
        chunk: int | None = None,
        attempt: int | None = None,
    ) -> Transition:
        """Creates a transition that happens at this moment."""
        return cls(time.time(), host, old_state, new_state, reason, chunk, attempt)

    def values(self) -> dict[str, object]:
        """Returns it as the JSON of ``helios job logs``."""
        return {"kind": "transition", **asdict(self)}

    def __str__(self) -> str:
        subject = "job" if self.chunk is None else f"chunk {self.chunk}"
        attempt = "" if self.attempt is None else f", attempt {self.attempt}"
        old = f"{self.old_state} -> " if self.old_state else ""
        return f"{subject}{attempt}: {old}{self.new_state}: {self.reason}"


@dataclass(frozen=True, slots=True)
class OutputLine:
    """A line that a chunk's command printed; ``at`` is in seconds since 1970."""

    at: float
    chunk: int | None
    line: str

    def values(self) -> dict[str, object]:
        """Returns it as the JSON of ``helios job logs``."""
        return {"kind": "output", **asdict(self)}

    def __str__(self) -> str:
        return self.line if self.chunk is None else f"chunk {self.chunk} | {self.line}"


LogEntry = Transition | OutputLine


def chunk_transition(host: str, event: RenderEvent) -> Transition | None:
    """Returns the change of a chunk's state that ``event`` reports, if it reports one."""
    match event:
        case ChunkStarted():
            reason = f"started by worker {event.worker}"
            return Transition.now(host, "queued", "running", reason, event.chunk, event.attempt)
        case ChunkAttemptFailed():
            state = "queued" if event.retried else "failed"
            return Transition.now(host, "running", state, f"{event.code}: {event.error}", event.chunk, event.attempt)
        case ChunkFinished():
            reason = f"{event.frames} frames in {event.seconds:.1f} s by worker {event.worker}"
            return Transition.now(host, "running", "done", reason, event.chunk, event.attempt)
        case ChunkCached():
            return Transition.now(host, "queued", "cached", "an earlier job rendered the same chunk", event.chunk)
        case _:
            return None
