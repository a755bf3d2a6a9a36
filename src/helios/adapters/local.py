"""Jobs as child processes of this one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Literal

from helios.adapters.base import AdapterKind, Target
from helios.worker import ChildProcess, LineSink, WorkerJob, WorkerResult
from helios.worker.process import GRACE, KEPT


class LocalTarget(Target, frozen=True):
    """This machine."""

    kind: Literal["local"] = "local"


class LocalWorkerAdapter:
    """Runs each job as a child process, in the folder that the job names. See ``ChildProcess``."""

    store = None
    spent = None

    def __init__(
        self, *, grace: float = GRACE, kept: int = KEPT, on_start: Callable[[int], None] = lambda group: None
    ) -> None:
        """``grace`` is in seconds, ``kept`` in bytes of what is said; ``on_start`` is told each process group."""
        self._process = ChildProcess(grace=grace, kept=kept, on_start=on_start)

    async def execute(self, job: WorkerJob, on_line: LineSink | None = None) -> WorkerResult:
        """Runs ``job`` here. See ``WorkerAdapter.execute``. An exception of ``on_line`` ends the job."""
        return await self._process.run(job, on_line)


@asynccontextmanager
async def _open(target: LocalTarget) -> AsyncGenerator[LocalWorkerAdapter]:
    yield LocalWorkerAdapter()


LOCAL = AdapterKind(LocalTarget, _open)
