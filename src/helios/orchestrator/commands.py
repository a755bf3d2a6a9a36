"""Jobs that are not pages: one plain command for each chunk, and one that joins what they make."""

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
from helios.orchestrator.chunk_cache import ChunkOutput, ChunkStats, Place, file_digest, short_digest
from helios.orchestrator.chunks import Chunk
from helios.orchestrator.dispatch import Workplace, last_lines
from helios.orchestrator.liveness import LivenessPolicy
from helios.output import place
from helios.stitcher import VideoStitcher
from helios.text import Text
from helios.worker import WorkerJob


def _plain_name(name: str) -> str:
    if not name or Path(name).name != name or name in (".", ".."):
        raise ValueError("must be a file's name, without folders")
    return name


FileName = Annotated[str, AfterValidator(_plain_name)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Command(_Frozen):
    """One command, never through a shell, which makes the file ``output`` in the folder that it runs in.

    ``env`` is all of its environment; ``timeout`` is in seconds. It may tell how far it is by lines such as
    ``openjd_progress: 50`` on stdout.
    """

    command: str
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    timeout: float | None = Field(default=None, gt=0)
    output: FileName

    def job(self, folder: Path, key: str = "") -> WorkerJob:
        """The command in ``folder``, whose output is kept under ``key``."""
        return WorkerJob(self.command, self.args, self.env, folder, self.timeout, outputs={self.output: key})


class CommandChunk(Command):
    """A command that makes one chunk, of ``frames`` frames, of nothing but what it says and the files ``inputs``."""

    frames: int = Field(default=1, gt=0, le=MAX_FRAMES)
    inputs: tuple[Path, ...] = ()


class CommandPlan(_Frozen):
    """Chunks as commands, and how they become one file.

    ``merge`` runs in a folder that holds the chunks' outputs as 000000.mp4, 000001.mp4 and so on (each with its own
    ending), and segments.txt, which names them for ffmpeg's concat demuxer. Without it, Helios joins them as segments.
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
        """What commands make need not last."""
        return

    @property
    def warnings(self) -> tuple[str, ...]:
        """Nothing was looked at."""
        return ()

    @property
    def root(self) -> None:
        """There is no project folder."""
        return

    @property
    def liveness(self) -> LivenessPolicy:
        """A command need not report anything: its time-out ends it, until others show how long it takes."""
        return LivenessPolicy(start_timeout=float("inf"), minimum_heartbeat_timeout=30.0)

    def place(self, chunk: Chunk) -> Place:
        """Where a chunk is kept: under what its command is, and what its inputs hold."""
        command = self.chunks[chunk.index]
        digests = []
        for path in command.inputs:
            try:
                digests.append(file_digest(path))
            except OSError as error:
                raise UsageError(f"{chunk}: its input {path} can't be read: {error.strerror}") from None
        message = command.model_dump(include={"command", "args", "env", "output", "frames"})
        name = short_digest(json.dumps([message, digests], sort_keys=True))
        return Place("commands-" + short_digest(command.command), name)

    async def make(
        self, at: Workplace, chunk: Chunk, folder: Path, key: Callable[[str], str], heard: Callable[[int], None]
    ) -> ChunkOutput:
        """Runs a chunk's command, in ``folder`` if that is where the work is done; its output gets the key of ``key``.

        Raises:
            CommandFailed: it ends with an error, or makes nothing.
            WorkerError: it can't be run.
        """
        command = self.chunks[chunk.index]
        job = command.job(folder, key(Path(command.output).suffix))
        result = await at.run(job, command.inputs, lambda percent: heard(round(percent * command.frames / 100)))
        if command.output not in result.outputs:
            raise CommandFailed(f"{job} made no {command.output}{last_lines(result)}")
        return ChunkOutput(
            artifact=result.outputs[command.output],
            path=at.path(folder, command.output),
            stats=ChunkStats(frames=command.frames),
            used={},
            uses_external_resources=False,
        )

    async def join(
        self,
        adapter: WorkerAdapter,
        stitcher: VideoStitcher,
        segments: Sequence[Path],
        folder: Path,
        output: Path,
        audio: Path | None = None,
        text: Text | None = None,
    ) -> None:
        """Makes ``output`` of the chunks' outputs, by the command for that, in ``folder``, or by joining.

        Raises:
            CommandFailed, WorkerError, StitchError, OutputError: it can't be made.
        """
        if self.merge is None:
            await stitcher.stitch(segments, output, audio, text)
            return
        await asyncio.to_thread(_lay_out, segments, folder)
        result = await Workplace(adapter).run(self.merge.job(folder), (), lambda percent: None)
        if self.merge.output not in result.outputs:
            raise CommandFailed(f"{self.merge.job(folder)} made no {self.merge.output}{last_lines(result)}")
        await asyncio.to_thread(place, folder / self.merge.output, output)


def _lay_out(segments: Sequence[Path], folder: Path) -> None:
    folder.mkdir(parents=True)
    names = [f"{number:06}{segment.suffix}" for number, segment in enumerate(segments)]
    for name, segment in zip(names, segments, strict=True):
        (folder / name).symlink_to(segment.absolute())
    lines = ["ffconcat version 1.0", *(f"file {name}" for name in names)]
    (folder / "segments.txt").write_text("\n".join(lines) + "\n")
