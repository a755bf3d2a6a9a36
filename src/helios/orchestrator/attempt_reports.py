"""Reports each change of an attempt as an event and as a transition."""

from __future__ import annotations

from dataclasses import dataclass

from helios.errors import HeliosError
from helios.orchestrator.attempt import Attempt
from helios.orchestrator.chunks import Chunk
from helios.orchestrator.events import ChunkAttemptFailed, ChunkProgressed, ChunkStarted, EventSink
from helios.orchestrator.transitions import AttemptState, OnTransition, Transition, redact_error


@dataclass(frozen=True, slots=True)
class AttemptReports:
    """Reports the attempts of ``job``."""

    job: str
    emit: EventSink
    on_transition: OnTransition

    def queued(self, chunk: Chunk, number: int, reason: str) -> None:
        """Reports that a chunk waits for its attempt ``number``."""
        self.on_transition(Transition(self.job, chunk.index, number, "submitted", "queued", reason))

    def started(self, attempt: Attempt, reason: str) -> None:
        """Reports that a worker has started an attempt."""
        self._change(attempt, "started", reason)
        chunk = attempt.chunk
        self.emit(
            ChunkStarted(
                chunk=chunk.index, attempt=attempt.number, worker=attempt.worker, start=chunk.start, stop=chunk.stop
            )
        )

    def progressed(self, attempt: Attempt, frames: int) -> None:
        """Reports a heartbeat, with the number of finished frames."""
        if attempt.state == "started":
            self._change(attempt, "running", "first heartbeat")
        if frames > attempt.frames and not attempt.unwanted:
            attempt.frames = frames
            self.emit(ChunkProgressed(chunk=attempt.chunk.index, worker=attempt.worker, frames=frames))

    def failed(self, attempt: Attempt, error: HeliosError, *, retried: bool) -> None:
        """Reports an error; ``retried``: the chunk gets another attempt."""
        self.broken(attempt, error)
        self.emit(
            ChunkAttemptFailed(
                chunk=attempt.chunk.index,
                attempt=attempt.number,
                worker=attempt.worker,
                error=describe(attempt, error),
                code=error.code,
                retried=retried,
            )
        )

    def broken(self, attempt: Attempt, error: BaseException) -> None:
        """Reports an error that is a bug."""
        self._change(attempt, "failed", redact_error(error))

    def cancelled(self, attempt: Attempt, reason: str) -> None:
        """Reports that an attempt was stopped, as its result no longer counts."""
        self._change(attempt, "cancelled", reason)

    def finished(self, attempt: Attempt) -> None:
        """Reports success."""
        self._change(attempt, "finished", f"{attempt.chunk.frames} frames")

    def _change(self, attempt: Attempt, state: AttemptState, reason: str) -> None:
        transition = Transition(
            self.job,
            attempt.chunk.index,
            attempt.number,
            attempt.state,
            state,
            reason,
            attempt.worker,
            attempt.host,
        )
        attempt.state = state
        self.on_transition(transition)


def describe(attempt: Attempt, error: HeliosError) -> str:
    """The error, and the frame that the attempt had reached."""
    first, line, rest = str(error).partition("\n")
    reached = f" (at frame {attempt.chunk.start + attempt.frames})" if attempt.frames else ""
    return f"{first}{reached}{line}{rest}"
