"""The contract of a place to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from helios.worker import WorkerJob, WorkerResult

LineSink = Callable[[str], None]
"""Called with each line of stdout, without its line break, as soon as it is there."""


class WorkerAdapter(Protocol):
    """A place to run commands."""

    async def execute(self, job: WorkerJob, on_line: LineSink | None = None) -> WorkerResult:
        """Runs a job to its end. A non-zero exit is a result.

        Cancelling the awaiting task cancels the work; nothing of it is left running when this returns or raises.

        Raises:
            CommandNotFound: there is no such command.
            WorkerTimeout: it ran past the job's time-out.
            WorkerError: it could not be run for another reason.
        """
        ...
