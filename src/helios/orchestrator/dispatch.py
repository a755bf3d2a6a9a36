"""One command at a place to run, from its spec to its outcome."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from helios.adapters import WorkerAdapter
from helios.errors import BrowserError, CommandFailed, HeliosError, StitchError, WorkerError
from helios.orchestrator.retry import RetryPolicy
from helios.output import beside, place
from helios.renderer.messages import EXIT_CODES, BatchSpec, ChunkSpec, ProbeSpec, Stamp, StillSpec
from helios.storage import ArtifactStore, Bundle, pack
from helios.worker import Artifact, WorkerJob, WorkerResult
from helios.worker.commands import RENDERER, STITCHER

_NAMED = (
    "PATH", "HOME", "PYTHONPATH", "HELIOS_BROWSER", "HELIOS_NO_SANDBOX", "PLAYWRIGHT_BROWSERS_PATH",
    "XDG_DATA_HOME", "XDG_CONFIG_HOME", "FONTCONFIG_FILE", "FONTCONFIG_PATH",
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
)  # fmt: skip
_EVERYWHERE = {"LANG": "C.UTF-8", "TZ": "UTC"}
_PAGE = "page/"
_LAST_LINES = 12

Progress = Callable[[float], None]
"""Called with the percentage that is done."""

Told = Callable[[str], None]
"""Called with what is said of how far it is, in words."""

Spec = ChunkSpec | BatchSpec | StillSpec | ProbeSpec


class RendererCrashed(WorkerError):
    """The renderer ended without saying why: killed, out of memory, or broken."""

    code = "renderer-crashed"
    retryable = True


class Workplace:
    """Runs commands behind an adapter. Workers that don't share our disk get what they need of it through its store:
    the project folder ``root`` as a bundle, which is packed once, and other files as they are.
    """

    def __init__(self, adapter: WorkerAdapter, root: Path | None = None) -> None:
        self._adapter = adapter
        self._root = root
        self._packed: asyncio.Task[Bundle] | None = None

    @property
    def store(self) -> ArtifactStore | None:
        """Where files are exchanged; None if workers share our disk."""
        return self._adapter.store

    async def version(self) -> str:
        """A name for what workers get of our disk."""
        return (await self._bundle()).digest[:12] if self._adapter.store and self._root else "here"

    async def draw(
        self,
        kind: str,
        spec: Spec,
        folder: Path,
        outputs: Mapping[str, str],
        progress: Progress = lambda percent: None,
        *,
        told: Told = lambda text: None,
        into: str | None = None,
    ) -> WorkerResult:
        """Runs one command of the renderer, in ``folder`` (made new) if it shares our disk.

        All ``outputs`` must come of it; of those that go ``into`` a folder, any may be missing.

        Raises:
            HeliosError: of the class that the renderer's exit code tells, with what it said.
        """
        failures: list[str] = []

        def on_line(line: str) -> None:
            key, _, text = line.partition(": ")
            if key == "openjd_fail":
                failures.append(text)
            elif key == "openjd_progress":
                progress(_percentage(text))
            elif key == "openjd_status":
                told(text)

        output = into or next(iter(outputs))
        if self._adapter.store:
            page = {_PAGE: await self._page()} if self._root else {}
            inputs = {"spec.json": _moved(spec).model_dump_json().encode(), **page}
            job = WorkerJob(RENDERER, (kind, "spec.json", output), _EVERYWHERE, inputs=inputs, outputs=outputs)
        else:
            folder.mkdir(parents=True)
            (folder / "spec.json").write_text(spec.model_dump_json(), "utf-8")
            job = renderer_job(kind, folder, outputs, output)
        result = await self._adapter.execute(job, on_line)
        if result.exit_code:
            raise _failure(job, result, failures)
        if missing := [name for name in outputs if name not in result.outputs and not into]:
            raise RendererCrashed(f"the renderer made no {missing[0]}: {job}{last_lines(result)}")
        return result

    async def answer(self, kind: str, spec: Spec, folder: Path, name: str) -> bytes:
        """The output ``name`` of one command of the renderer. Where the browser or the renderer breaks, another is run.

        Raises:
            HeliosError: as ``draw``.
        """
        retry, failures = RetryPolicy(), 0
        while True:
            place = folder / f"attempt-{failures + 1}"
            key = f"{kind}s/{secrets.token_hex(8)}{Path(name).suffix}"
            try:
                return await self.read(await self.draw(kind, spec, place, {name: key}), place, name)
            except (BrowserError, RendererCrashed):
                failures += 1
                if failures == retry.maximum_attempts:
                    raise
                await asyncio.sleep(retry.interval(failures, random.Random()))

    async def run(self, job: WorkerJob, inputs: Sequence[Path], progress: Progress) -> WorkerResult:
        """Runs a command of the user's, in its folder (which is made) if it shares our disk.

        Raises:
            CommandFailed: it ends with an error.
            WorkerError: it can't be run.
        """
        assert job.cwd, "a command has a folder of its own"
        if self._adapter.store:
            sent = {path.name: await self._send(path) for path in inputs}
            job = replace(job, cwd=None, inputs=sent)
        else:
            job.cwd.mkdir(parents=True, exist_ok=True)

        def on_line(line: str) -> None:
            key, _, text = line.partition(": ")
            if key == "openjd_progress":
                progress(_percentage(text))

        result = await self._adapter.execute(job, on_line)
        if result.exit_code:
            raise CommandFailed(f"{job} {ending(result)}{last_lines(result)}")
        return result

    async def join(self, segments: Sequence[Artifact], output: Path) -> None:
        """Has a worker join segments into ``output``, which appears whole or not at all.

        Raises:
            StitchError: they can't be joined.
            WorkerError: none could be had for it.
        """
        assert self._adapter.store, "who shares our disk needs no worker for this"
        name = f"video{output.suffix}"
        inputs = {f"{number:06}{Path(found.key).suffix}": found for number, found in enumerate(segments)}
        outputs = {name: f"videos/{secrets.token_hex(16)}{output.suffix}"}
        job = WorkerJob(STITCHER, (name, *inputs), _EVERYWHERE, inputs=inputs, outputs=outputs)
        result = await self._patiently(job)
        if result.exit_code:
            raise StitchError(
                f"the worker could not join {len(segments)} segments: it {ending(result)}{last_lines(result)}"
            )
        try:
            with beside(output) as folder:
                await self._adapter.store.bring(result.outputs[name].key, folder / name, own=True)
                await asyncio.to_thread(place, folder / name, output)
        finally:
            with contextlib.suppress(HeliosError):
                await self._adapter.store.delete(outputs.values())

    async def _patiently(self, job: WorkerJob) -> WorkerResult:
        retry = RetryPolicy()
        for failures in range(1, retry.maximum_attempts):
            try:
                return await self._adapter.execute(job)
            except WorkerError as error:
                if not error.retryable:
                    raise
                await asyncio.sleep(retry.interval(failures, random.Random()))
        return await self._adapter.execute(job)

    async def read(self, result: WorkerResult, folder: Path, name: str) -> bytes:
        """What an output holds."""
        if self._adapter.store:
            return await self._adapter.store.get(result.outputs[name].key)
        return (folder / name).read_bytes()

    def path(self, folder: Path, name: str) -> Path | None:
        """Where an output is, if it is on our disk."""
        return None if self._adapter.store else folder / name

    async def used(self, used: Mapping[str, Stamp | None]) -> dict[str, Stamp | None]:
        """Files of the project folder that were used, as they were on our disk."""
        if not (self._adapter.store and self._root):
            return dict(used)
        bundle = await self._bundle()
        return {name: stamp and bundle.stamps.get(name) for name, stamp in used.items()}

    async def _page(self) -> Artifact:
        bundle = await self._bundle()
        return Artifact(bundle.key, bundle.digest, bundle.size)

    async def _bundle(self) -> Bundle:
        if self._packed is None or _has_failed(self._packed):
            self._packed = asyncio.create_task(self._pack())
        return await asyncio.shield(self._packed)

    async def _pack(self) -> Bundle:
        assert self._adapter.store, "only those who don't share our disk need it"
        assert self._root, "only a folder is packed"
        with tempfile.TemporaryDirectory(prefix="helios-") as folder:
            bundle = await asyncio.to_thread(pack, self._root, Path(folder, "bundle"))
            if not await self._adapter.store.has(bundle.key):
                await self._adapter.store.put(bundle.key, bundle.path)
            return bundle

    async def _send(self, path: Path) -> Artifact:
        assert self._adapter.store
        artifact = await asyncio.to_thread(Artifact.of, path, "")
        artifact = replace(artifact, key=f"inputs/{artifact.digest}")
        if not await self._adapter.store.has(artifact.key):
            await self._adapter.store.put(artifact.key, path)
        return artifact


def _has_failed(task: asyncio.Task[Bundle]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def renderer_job(kind: str, folder: Path, outputs: Mapping[str, str], output: str) -> WorkerJob:
    """The command that draws ``folder``/spec.json here. Its environment is named here, and is all that it gets."""
    env = {name: os.environ[name] for name in _NAMED if name in os.environ}
    env |= {**_EVERYWHERE, "TMPDIR": str(folder)}
    # -P: the workspace is no place to import from.
    args = ("-P", "-m", "helios.renderer", kind, "spec.json", output)
    return WorkerJob(sys.executable, args, env=env, cwd=folder, outputs=outputs)


def _moved(spec: Spec) -> Spec:
    """A spec for a worker that has the project folder in its own."""
    bare = isinstance(spec, ProbeSpec | BatchSpec)
    source = spec.source if bare else spec.composition.source
    if source.root is None:
        return spec
    source = source.model_copy(update={"root": Path(_PAGE)})
    if bare:
        return spec.model_copy(update={"source": source})
    return spec.model_copy(update={"composition": spec.composition.model_copy(update={"source": source})})


def _percentage(text: str) -> float:
    """How much is done; what is no number is nothing."""
    try:
        return min(100.0, max(0.0, float(text)))
    except ValueError:
        return 0.0


def _failure(job: WorkerJob, result: WorkerResult, failures: list[str]) -> HeliosError:
    for kind, code in EXIT_CODES.items():
        if result.exit_code == code and failures:
            return kind(failures[-1])
    where = f" (in {job.cwd})" if job.cwd else ""
    return RendererCrashed(f"the renderer {ending(result)}: {job}{where}{last_lines(result)}")


def ending(result: WorkerResult) -> str:
    """How a command ended."""
    if result.exit_code < 0:
        return f"was killed by {_signal_name(-result.exit_code)}"
    return f"ended with exit code {result.exit_code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have no name
        return f"signal {number}"


def last_lines(result: WorkerResult) -> str:
    """The last lines that a command said."""
    lines = (result.stderr.strip() or result.stdout.strip()).splitlines()[-_LAST_LINES:]
    return "; it said:\n  " + "\n  ".join(lines) if lines else "; it said nothing"
