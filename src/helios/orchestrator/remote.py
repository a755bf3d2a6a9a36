"""Commands for workers without our disk, which exchange files with us through a store."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from helios.adapters import WorkerAdapter
from helios.errors import HeliosError, StitchError, WorkerError
from helios.orchestrator.chunk_cache import ChunkOutput
from helios.orchestrator.execute import (
    OnProgress,
    OnStatus,
    RendererCommand,
    Spec,
    describe_exit,
    execute_command,
    execute_renderer,
    ignore_progress,
    ignore_status,
    last_lines,
)
from helios.orchestrator.retry import RetryPolicy
from helios.orchestrator.shared_disk import FIXED_ENV
from helios.output import beside, place
from helios.renderer.messages import BatchSpec, ProbeSpec, Stamp
from helios.storage import ArtifactStore, Bundle, pack
from helios.worker import Artifact, WorkerJob, WorkerResult
from helios.worker.commands import RENDERER, STITCHER

_PROJECT = "page/"


class RemoteDispatcher:
    """Runs commands behind ``adapter``, whose workers read inputs from ``store`` and write outputs to it.

    The project folder ``root`` is uploaded once, as a bundle. See ``Dispatcher``.
    """

    shares_disk = False

    def __init__(self, adapter: WorkerAdapter, store: ArtifactStore, root: Path | None) -> None:
        self.store = store
        self._adapter = adapter
        self._root = root
        self._upload: asyncio.Task[Bundle] | None = None

    async def input_version(self) -> str:
        """See ``Dispatcher``."""
        return (await self._bundle(self._root)).digest[:12] if self._root else "local"

    async def run_renderer(
        self,
        command: RendererCommand,
        folder: Path,
        on_progress: OnProgress = ignore_progress,
        on_status: OnStatus = ignore_status,
    ) -> WorkerResult:
        """See ``Dispatcher``."""
        inputs: dict[str, bytes | Artifact] = {"spec.json": _relocate(command.spec).model_dump_json().encode()}
        if self._root:
            bundle = await self._bundle(self._root)
            inputs[_PROJECT] = Artifact(bundle.key, bundle.digest, bundle.size)
        args = (command.kind, "spec.json", command.output)
        job = WorkerJob(RENDERER, args, FIXED_ENV, inputs=inputs, outputs=command.outputs)
        return await execute_renderer(self._adapter, command, job, on_progress, on_status)

    async def run_command(self, job: WorkerJob, inputs: Sequence[Path], on_progress: OnProgress) -> WorkerResult:
        """See ``Dispatcher``."""
        uploaded = {path.name: await self._upload_file(path) for path in inputs}
        return await execute_command(self._adapter, replace(job, cwd=None, inputs=uploaded), on_progress)

    async def join(self, segments: Sequence[Artifact], output: Path) -> None:
        """Has a worker join ``segments`` of the store into ``output``, which appears whole or not at all.

        Raises:
            StitchError: they can't be joined.
            WorkerError: no worker could run it.
        """
        name = f"video{output.suffix}"
        inputs = {f"{number:06}{Path(segment.key).suffix}": segment for number, segment in enumerate(segments)}
        outputs = {name: f"videos/{secrets.token_hex(16)}{output.suffix}"}
        job = WorkerJob(STITCHER, (name, *inputs), FIXED_ENV, inputs=inputs, outputs=outputs)
        result = await self._execute_with_retries(job)
        if result.exit_code:
            raise StitchError(
                f"the worker could not join {len(segments)} segments: it {describe_exit(result)}{last_lines(result)}"
            )
        try:
            with beside(output) as folder:
                await self.store.fetch(result.outputs[name].key, folder / name, own=True)
                await asyncio.to_thread(place, folder / name, output)
        finally:
            with contextlib.suppress(HeliosError):
                await self.store.delete(outputs.values())

    async def _execute_with_retries(self, job: WorkerJob) -> WorkerResult:
        retry = RetryPolicy()
        for failures in range(1, retry.maximum_attempts):
            try:
                return await self._adapter.execute(job)
            except WorkerError as error:
                if not error.retryable:
                    raise
                await asyncio.sleep(retry.interval(failures, random.Random()))
        return await self._adapter.execute(job)

    async def read_output(self, result: WorkerResult, folder: Path, name: str) -> bytes:
        """See ``Dispatcher``."""
        return await self.store.get(result.outputs[name].key)

    def output_path(self, folder: Path, name: str) -> Path | None:
        """See ``Dispatcher``."""
        return None

    async def local_stamps(self, used: Mapping[str, Stamp | None]) -> dict[str, Stamp | None]:
        """See ``Dispatcher``."""
        if not self._root:
            return dict(used)
        bundle = await self._bundle(self._root)
        return {name: stamp and bundle.stamps.get(name) for name, stamp in used.items()}

    async def transfer(self, output: ChunkOutput, store: ArtifactStore, folder: Path) -> ChunkOutput:
        """See ``Dispatcher``."""
        if self.store.url == store.url:
            return output
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "downloaded"
        await self.store.fetch(output.artifact.key, path, own=True)
        with contextlib.suppress(HeliosError):
            await self.store.delete([output.artifact.key])
        return replace(output, path=path)

    async def _bundle(self, root: Path) -> Bundle:
        if self._upload is None or _has_failed(self._upload):
            self._upload = asyncio.create_task(self._upload_folder(root))
        return await asyncio.shield(self._upload)

    async def _upload_folder(self, root: Path) -> Bundle:
        with tempfile.TemporaryDirectory(prefix="helios-") as folder:
            bundle = await asyncio.to_thread(pack, root, Path(folder, "bundle"))
            if not await self.store.has(bundle.key):
                await self.store.put(bundle.key, bundle.path)
            return bundle

    async def _upload_file(self, path: Path) -> Artifact:
        artifact = await asyncio.to_thread(Artifact.of, path, "")
        artifact = replace(artifact, key=f"inputs/{artifact.digest}")
        if not await self.store.has(artifact.key):
            await self.store.put(artifact.key, path)
        return artifact


def _has_failed(task: asyncio.Task[Bundle]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _relocate(spec: Spec) -> Spec:
    """``spec`` for a worker that unpacks the project folder into its own."""
    bare = isinstance(spec, ProbeSpec | BatchSpec)
    source = spec.source if bare else spec.composition.source
    if source.root is None:
        return spec
    source = source.model_copy(update={"root": Path(_PROJECT)})
    if bare:
        return spec.model_copy(update={"source": source})
    return spec.model_copy(update={"composition": spec.composition.model_copy(update={"source": source})})
