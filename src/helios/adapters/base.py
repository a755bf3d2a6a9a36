"""The contract between Helios and an adapter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, Field

from helios.storage import ArtifactStore
from helios.worker import LineSink, WorkerJob, WorkerResult


@runtime_checkable
class WorkerAdapter(Protocol):
    """Runs commands: on this machine, in a cloud, or anywhere else."""

    @property
    def store(self) -> ArtifactStore | None:
        """Where its workers read inputs and write outputs; None if they share this machine's disk."""
        ...

    @property
    def spent(self) -> float | None:
        """The cost of its jobs so far (US dollars); None where jobs are free."""
        ...

    async def execute(self, job: WorkerJob, on_line: LineSink | None = None) -> WorkerResult:
        """Runs a job until its command exits. A non-zero exit is a result.

        The result names those of the job's ``outputs`` that the command wrote: ``collect_outputs`` finds them on this
        machine's disk. Cancelling the awaiting task cancels the job. When this returns or raises, no process of the
        job is left.

        Raises:
            CommandNotFound: the worker has no such command.
            WorkerTimeout: the command ran past the job's time-out.
            WorkerLost: the worker died, or the connection to it broke.
            WorkerError: the job could not run for another reason.
        """
        ...


class Target(BaseModel, frozen=True, extra="forbid"):
    """The settings of an adapter, as a job stores them. ``kind`` names the adapter in the registry.

    ``workers`` is the number of chunks that run there in parallel; None: as many as the plan says. Its workers share
    this machine's disk; those of a ``RemoteTarget`` don't.
    """

    kind: str
    workers: int | None = Field(default=None, ge=1)

    @property
    def store_url(self) -> str | None:
        """URL of the store that its workers use; None if they share this machine's disk."""
        return None


class RemoteTarget(Target, frozen=True):
    """A target whose workers exchange files with this machine through the store at the URL ``store``."""

    store: str

    @property
    def store_url(self) -> str:
        return self.store


T = TypeVar("T", bound=Target)


@dataclass(frozen=True, slots=True)
class AdapterKind(Generic[T]):
    """One kind of adapter: its settings, and the functions that check, complete and open them.

    ``open`` opens the adapter for the length of a block. ``check`` raises MissingTool where a package that the adapter
    needs is not installed. ``complete`` returns settings from the caller's options, by name: ``store`` (for a
    ``RemoteTarget``) and those in ``options``, as far as they are given. It fills in missing ones, such as from a
    deployment; by default the options are the settings. ``scheme`` is the URL scheme of the buckets that its workers
    use; None: they use any store.
    """

    settings: type[T]
    open: Callable[[T], AbstractAsyncContextManager[WorkerAdapter]]
    check: Callable[[T], None] = lambda target: None
    complete: Callable[[Mapping[str, str]], Awaitable[T]] | None = None
    options: tuple[str, ...] = ()
    scheme: str | None = None
