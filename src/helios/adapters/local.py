"""Jobs as child processes of this one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Literal

from helios.adapters.base import AdapterKind, Target
from helios.worker import ChildProcess, LineSink, WorkerJob, WorkerResult
from helios.worker.process import GRACE, TAIL_BYTES


class LocalTarget(Target, frozen=True):
    """This machine."""

    kind: Literal["local"] = "local"


class LocalWorkerAdapter:
    """Runs each job as a child process, in the folder that the job names. See ``ChildProcess``."""

    store = None
    spent = None

    def __init__(
        self,
        *,
        grace: float = GRACE,
        tail_bytes: int = TAIL_BYTES,
        on_start: Callable[[int], None] = lambda group: None,
    ) -> None:
        """``grace`` is in seconds, ``tail_bytes`` is the size of stdout, and of stderr, in a result;
        ``on_start`` gets the id of each process group."""
        self._process = ChildProcess(grace=grace, tail_bytes=tail_bytes, on_start=on_start)

    async def execute(self, job: WorkerJob, on_line: LineSink | None = None) -> WorkerResult:
        """Runs ``job`` here. See ``WorkerAdapter.execute``. An exception of ``on_line`` ends the job."""
        return await self._process.run(job, on_line)


@asynccontextmanager
async def _open(target: LocalTarget) -> AsyncGenerator[LocalWorkerAdapter]:
    yield LocalWorkerAdapter()


LOCAL = AdapterKind(LocalTarget, _open)
