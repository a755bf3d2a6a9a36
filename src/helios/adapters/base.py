"""The contract of a place to run."""

from __future__ import annotations

from typing import Protocol

from helios.storage import ArtifactStore
from helios.worker import LineSink, WorkerJob, WorkerResult


class WorkerAdapter(Protocol):
    """A place to run commands."""

    @property
    def store(self) -> ArtifactStore | None:
        """Where its workers find inputs and keep outputs; None if they share our disk."""
        ...

    @property
    def spent(self) -> float | None:
        """What its work has cost so far (US dollars); None where nothing is paid."""
        ...

    async def execute(self, job: WorkerJob, on_line: LineSink | None = None) -> WorkerResult:
        """Runs a job to its end. A non-zero exit is a result.

        Cancelling the awaiting task cancels the work; nothing of it is left running when this returns or raises.

        Raises:
            CommandNotFound: there is no such command.
            WorkerTimeout: it ran past the job's time-out.
            WorkerError: it could not be run for another reason.
        """
        ...
