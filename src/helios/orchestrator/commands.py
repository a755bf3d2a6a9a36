"""Jobs that are not pages: one plain command for each chunk, and one that merges their outputs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from helios.adapters import WorkerAdapter
from helios.composition import MAX_FRAMES
from helios.errors import CommandFailed, UsageError
from helios.orchestrator.chunk_cache import CacheKey, ChunkOutput, ChunkStats, file_digest, short_digest
from helios.orchestrator.chunks import Chunk
from helios.orchestrator.dispatch import Dispatcher
from helios.orchestrator.events import CommandsPlanned
from helios.orchestrator.execute import ignore_progress, last_lines
from helios.orchestrator.liveness import LivenessPolicy
from helios.orchestrator.shared_disk import SharedDiskDispatcher
from helios.output import place
from helios.worker import WorkerJob


def _plain_name(name: str) -> str:
    if not name or Path(name).name != name or name in (".", ".."):
        raise ValueError("must be a file's name, without folders")
    return name


FileName = Annotated[str, AfterValidator(_plain_name)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Command(_Frozen):
    """One command, never through a shell, which writes the file ``output`` in the folder that it runs in.

    ``env`` is its whole environment; ``timeout`` is in seconds. It may report its progress by lines such as
    ``openjd_progress: 50`` (percent) on stdout.
    """

    command: str
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    timeout: float | None = Field(default=None, gt=0)
    output: FileName

    def job(self, folder: Path, key: str = "") -> WorkerJob:
        """The command in ``folder``, whose output is stored under ``key``."""
        return WorkerJob(self.command, self.args, self.env, folder, self.timeout, outputs={self.output: key})


class CommandChunk(Command):
    """A command that renders one chunk of ``frames`` frames. It depends on itself and the files ``inputs`` alone."""

    frames: int = Field(default=1, gt=0, le=MAX_FRAMES)
    inputs: tuple[Path, ...] = ()


class CommandPlan(_Frozen):
    """Chunks as commands, and how their outputs become one file.

    ``merge`` runs in a folder with the chunks' outputs as 000000.mp4, 000001.mp4 and so on (each with its own suffix),
    and segments.txt, which lists them for ffmpeg's concat demuxer. Without it, Helios joins them as segments.
    """

    chunks: tuple[CommandChunk, ...] = Field(min_length=1)
    merge: Command | None = None
    workers: int = Field(default=1, gt=0)

    @property
    def parts(self) -> tuple[Chunk, ...]:
        """The chunks, numbered."""
        parts: list[Chunk] = []
        start = 0
        for index, chunk in enumerate(self.chunks):
            parts.append(Chunk(index, start, start + chunk.frames))
            start += chunk.frames
        return tuple(parts)

    @property
    def duration(self) -> None:
        """None: the outputs of commands need not have a duration."""
        return

    @property
    def warnings(self) -> tuple[str, ...]:
        """None: there is no probe."""
        return ()

    @property
    def root(self) -> None:
        """None: there is no project folder."""
        return

    @property
    def liveness(self) -> LivenessPolicy:
        """A command need not report progress: until others have finished, only its own time-out stops it."""
        return LivenessPolicy(start_timeout=float("inf"), minimum_heartbeat_timeout=30.0)

    def cache_key(self, chunk: Chunk) -> CacheKey:
        """The cache key of a chunk: its command, and the content of its inputs."""
        command = self.chunks[chunk.index]
        digests = []
        for path in command.inputs:
            try:
                digests.append(file_digest(path))
            except OSError as error:
                raise UsageError(f"{chunk}: its input {path} can't be read: {error.strerror}") from None
        message = command.model_dump(include={"command", "args", "env", "output", "frames"})
        name = short_digest(json.dumps([message, digests], sort_keys=True))
        return CacheKey("commands-" + short_digest(command.command), name)

    async def render_chunk(
        self,
        dispatcher: Dispatcher,
        chunk: Chunk,
        folder: Path,
        artifact_key: Callable[[str], str],
        on_frames: Callable[[int], None],
    ) -> ChunkOutput:
        """Runs a chunk's command, in ``folder`` where workers share our disk. See ``RenderPlan.render_chunk``.

        Raises:
            CommandFailed: it failed, or wrote no output.
            WorkerError: it can't be run.
        """
        command = self.chunks[chunk.index]
        job = command.job(folder, artifact_key(Path(command.output).suffix))
        result = await dispatcher.run_command(
            job, command.inputs, lambda percent: on_frames(round(percent * command.frames / 100))
        )
        if command.output not in result.outputs:
            raise CommandFailed(f"{job} wrote no {command.output}{last_lines(result)}")
        return ChunkOutput(
            artifact=result.outputs[command.output],
            path=dispatcher.output_path(folder, command.output),
            stats=ChunkStats(frames=command.frames),
            used={},
            uses_external_resources=False,
        )

    async def merge_outputs(self, adapter: WorkerAdapter, segments: Sequence[Path], folder: Path, output: Path) -> None:
        """Runs ``merge`` on the chunks' outputs ``segments``, in ``folder``, and moves its output to ``output``.

        Raises:
            CommandFailed: it failed, or wrote no output.
            WorkerError, OutputError: it can't be run, or ``output`` can't be written.
        """
        assert self.merge, "there is a merge command"
        await asyncio.to_thread(_lay_out, segments, folder)
        job = self.merge.job(folder)
        result = await SharedDiskDispatcher(adapter).run_command(job, (), ignore_progress)
        if self.merge.output not in result.outputs:
            raise CommandFailed(f"{job} wrote no {self.merge.output}{last_lines(result)}")
        await asyncio.to_thread(place, folder / self.merge.output, output)

    def event(self) -> CommandsPlanned:
        """The event for this plan."""
        frames = sum(chunk.frames for chunk in self.chunks)
        return CommandsPlanned(frames=frames, chunks=len(self.chunks), workers=self.workers)


def _lay_out(segments: Sequence[Path], folder: Path) -> None:
    folder.mkdir(parents=True)
    names = [f"{number:06}{segment.suffix}" for number, segment in enumerate(segments)]
    for name, segment in zip(names, segments, strict=True):
        (folder / name).symlink_to(segment.absolute())
    lines = ["ffconcat version 1.0", *(f"file {name}" for name in names)]
    (folder / "segments.txt").write_text("\n".join(lines) + "\n")
