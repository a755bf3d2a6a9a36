"""How commands get to workers: one contract for workers with and without our disk."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from helios.adapters import WorkerAdapter
from helios.errors import BrowserError
from helios.orchestrator.chunk_cache import ChunkOutput
from helios.orchestrator.execute import (
    OnProgress,
    OnStatus,
    RendererCommand,
    RendererCrashed,
    Spec,
    ignore_progress,
    ignore_status,
)
from helios.orchestrator.remote import RemoteDispatcher
from helios.orchestrator.retry import RetryPolicy
from helios.orchestrator.shared_disk import SharedDiskDispatcher
from helios.renderer.messages import Stamp
from helios.storage import ArtifactStore
from helios.worker import WorkerJob, WorkerResult


class Dispatcher(Protocol):
    """Runs commands behind one adapter."""

    @property
    def shares_disk(self) -> bool:
        """Whether the workers share our disk."""
        ...

    async def input_version(self) -> str:
        """A name for the content of the project folder, as workers get it."""
        ...

    async def run_renderer(
        self,
        command: RendererCommand,
        folder: Path,
        on_progress: OnProgress = ignore_progress,
        on_status: OnStatus = ignore_status,
    ) -> WorkerResult:
        """Runs one command of the renderer, in ``folder`` where workers share our disk.

        Raises:
            RendererCrashed: it exited without an error of its own, or without an output.
            HeliosError: the error that the renderer reported.
        """
        ...

    async def run_command(self, job: WorkerJob, inputs: Sequence[Path], on_progress: OnProgress) -> WorkerResult:
        """Runs a command of the user's, in its own folder where workers share our disk.

        Raises:
            CommandFailed: it exited with an error.
            WorkerError: it can't be run.
        """
        ...

    async def read_output(self, result: WorkerResult, folder: Path, name: str) -> bytes:
        """The content of an output."""
        ...

    def output_path(self, folder: Path, name: str) -> Path | None:
        """The path of an output; None if it is not on our disk."""
        ...

    async def local_stamps(self, used: Mapping[str, Stamp | None]) -> dict[str, Stamp | None]:
        """The stamps that the ``used`` files of the project folder had on our disk when workers got them."""
        ...

    async def transfer(self, output: ChunkOutput, store: ArtifactStore, folder: Path) -> ChunkOutput:
        """``output`` with its segment where ``store`` can commit it: in that store, or on our disk (in ``folder``)."""
        ...


def make_dispatcher(adapter: WorkerAdapter, root: Path | None = None) -> Dispatcher:
    """The dispatcher for ``adapter``: a remote one if it has a store. ``root`` is the project folder."""
    return RemoteDispatcher(adapter, adapter.store, root) if adapter.store else SharedDiskDispatcher(adapter)


async def query_renderer(dispatcher: Dispatcher, kind: str, spec: Spec, folder: Path, name: str) -> bytes:
    """The content of the output ``name`` of one command of the renderer, repeated where the browser or it crashes.

    Raises:
        HeliosError: as ``Dispatcher.run_renderer``.
    """
    retry, failures = RetryPolicy(), 0
    while True:
        attempt = folder / f"attempt-{failures + 1}"
        command = RendererCommand(kind, spec, {name: f"{kind}s/{secrets.token_hex(8)}{Path(name).suffix}"})
        try:
            return await dispatcher.read_output(await dispatcher.run_renderer(command, attempt), attempt, name)
        except (BrowserError, RendererCrashed):
            failures += 1
            if failures == retry.maximum_attempts:
                raise
            await asyncio.sleep(retry.interval(failures, random.Random()))
