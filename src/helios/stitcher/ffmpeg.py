"""Joining by ffmpeg's concat demuxer: streams are copied, nothing is encoded again."""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from helios.adapters import WorkerAdapter
from helios.errors import OutputError, StitchError, UsageError
from helios.stitcher.binary import find_ffmpeg
from helios.stitcher.segment import Segment, read_segment, read_sound
from helios.worker import WorkerJob

RETRIES = 3
"""How often a join is tried again whose ffmpeg was killed."""

_MOV = frozenset({".mp4", ".m4v", ".mov"})
_CONTAINERS = _MOV | {".mkv", ".webm", ".ts"}
_ROUNDED = Fraction(21, 10_000)
"""Seconds by which a time and a length may be off in containers that count milliseconds."""
_PACKET = Fraction(25, 1000)
"""Seconds of a whole packet of sound: some containers can't say that their last one is shorter."""


class FfmpegStitcher:
    """Joins segments with ffmpeg, run through ``adapter``.

    Before, every segment is read and compared with the first; after, every frame's time is checked. ffmpeg
    never sees a name of the caller's: it works in a folder beside the output, on links with names of ours.
    """

    def __init__(self, adapter: WorkerAdapter) -> None:
        """Finds ffmpeg. Raises MissingTool where there is none: better now than when all frames are drawn."""
        self._adapter = adapter
        self._ffmpeg = find_ffmpeg()

    async def stitch(self, inputs: Sequence[Path], output: Path, sound: Path | None = None) -> None:
        """Joins ``inputs`` into ``output``. See ``VideoStitcher.stitch``."""
        if not inputs:
            raise StitchError("there is nothing to stitch")
        suffix = container_suffix(output)
        segments = await asyncio.to_thread(_read_alike, inputs)
        try:
            with tempfile.TemporaryDirectory(prefix=".helios-", dir=output.absolute().parent) as folder:
                joined = Path(folder) / f"joined{suffix}"
                await self._join(segments, joined, sound)
                await asyncio.to_thread(_check, segments, joined)
                if sound:
                    await asyncio.to_thread(_check_sound, sound, joined)
                joined.replace(output)
        except OSError as error:
            raise _unwritable(output, error) from error

    async def _join(self, segments: Sequence[Segment], joined: Path, sound: Path | None) -> None:
        folder = joined.parent
        names = [f"{number:06}" for number in range(len(segments))]
        for name, segment in zip(names, segments, strict=True):
            (folder / name).symlink_to(segment.path.absolute())
        (folder / "list.txt").write_text(concat_script(names, [segment.duration for segment in segments]))
        heard = f"sound{sound.suffix}" if sound else None
        if sound and heard:
            (folder / heard).symlink_to(sound.absolute())
        arguments = concat_arguments(joined.name, segments[0].format.time_base, steady_decoding(segments), heard)
        job = WorkerJob(str(self._ffmpeg), arguments, cwd=folder)
        result = await self._adapter.execute(job)
        for _ in range(RETRIES):
            if result.exit_code >= 0:
                break
            joined.unlink(missing_ok=True)  # ffmpeg was killed: that says nothing of the segments
            result = await self._adapter.execute(job)
        if result.exit_code != 0:
            said = result.stderr.strip().splitlines()[-5:]
            if any("No space left on device" in line for line in said):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise StitchError(f"ffmpeg could not join the segments (exit code {result.exit_code}): {' / '.join(said)}")


def container_suffix(output: Path) -> str:
    """The output's ending, which names its container.

    Raises:
        UsageError: no such container.
    """
    suffix = output.suffix.lower()
    if suffix not in _CONTAINERS:
        known = " ".join(sorted(_CONTAINERS))
        raise UsageError(f"{output.name}: the name must end in one of {known}")
    return suffix


def concat_script(names: Sequence[str], durations: Sequence[Fraction]) -> str:
    """The script for ffmpeg's concat demuxer.

    The demuxer adds up durations in microseconds. Each is written so that the sum up to every segment is the
    exact start rounded once: left to itself, it would be off by half a microsecond more with each segment.
    """
    lines = ["ffconcat version 1.0"]
    start, told = Fraction(0), 0
    for name, duration in zip(names, durations, strict=True):
        start += duration
        micros = round(start * 1_000_000) - told
        told += micros
        lines += [f"file {name}", f"duration {micros // 1_000_000}.{micros % 1_000_000:06}"]
    return "\n".join(lines) + "\n"


def steady_decoding(segments: Sequence[Segment]) -> str | None:
    """The filter that gives every packet a new decoding time, where the segments' own don't fit together.

    A segment of 1 or 2 frames has nothing out of order and no delay; between others that have, decoding times
    would overlap, ffmpeg would squeeze them, and the film would be said to end too early.
    """
    delays = {segment.delay for segment in segments}
    if len(delays) == 1:
        return None
    frame = segments[0].duration / len(segments[0].times)
    for segment in segments:
        steady = (segment.times[0] + k * frame for k in range(len(segment.times)))
        if segment.duration != len(segment.times) * frame or segment.times != tuple(steady):
            return None  # frames of unlike lengths: ffmpeg does what it can
    return f"setts=pts=PTS:dts=round((N*{frame}-{max(delays)})/TB)"


def concat_arguments(
    output: str, time_base: Fraction, packet_filter: str | None = None, sound: str | None = None
) -> tuple[str, ...]:
    """ffmpeg's arguments, in the folder that holds ``list.txt``, the segments and the ``sound``."""
    arguments = ["-hide_banner", "-nostdin", "-loglevel", "warning"]
    heard = ["-i", sound, "-map", "0:v", "-map", "1:a"] if sound else ["-map", "0"]
    arguments += ["-f", "concat", "-i", "list.txt", *heard, "-c", "copy"]
    if Path(output).suffix in _MOV:
        if packet_filter:  # the others keep no decoding times, or say no duration by them
            arguments += ["-bsf:v", packet_filter]
        # The segments' own ticks, so that no time is rounded; the index first, so that players can start.
        arguments += ["-video_track_timescale", str(time_base.denominator), "-movflags", "+faststart"]
    elif sound and Path(output).suffix != ".ts":
        # What an encoder says ahead of time stands in the track's header: nothing is to be shifted for it.
        arguments += ["-avoid_negative_ts", "disabled"]
    return (*arguments, output)


def _read_alike(inputs: Sequence[Path]) -> list[Segment]:
    segments = [read_segment(path) for path in inputs]
    first = segments[0]
    for segment in segments[1:]:
        if difference := first.format.difference(segment.format):
            raise StitchError(f"{segment.path} does not fit to {first.path}: {difference}")
    return segments


def _check(segments: Sequence[Segment], joined: Path) -> None:
    film = read_segment(joined)
    wanted: list[Fraction] = []
    start = Fraction(0)
    for segment in segments:
        wanted += [start + time - segment.times[0] for time in segment.times]
        start += segment.duration
    if len(film.times) != len(wanted):
        raise StitchError(f"the joined film has {len(film.times)} frames instead of {len(wanted)}")
    tick = film.format.time_base
    exact = Fraction(0) if tick == segments[0].format.time_base else tick / 2
    for number, (time, want) in enumerate(zip(film.times, wanted, strict=True)):
        if abs(time - film.times[0] - want) > exact:
            raise StitchError(f"frame {number} of the joined film is at {float(time)} s instead of {float(want)} s")


def _check_sound(sound: Path, joined: Path) -> None:
    """Makes sure that the sound begins and ends where it should."""
    wanted, found = read_sound(sound), read_sound(joined)
    if abs(found.begins - wanted.begins) > _ROUNDED:
        raise StitchError(
            f"the film's sound begins at {float(found.begins):.4f} s instead of {float(wanted.begins):.4f} s"
        )
    if not -_ROUNDED < found.ends - wanted.ends < _PACKET:
        raise StitchError(f"the film's sound ends at {float(found.ends):.4f} s instead of {float(wanted.ends):.4f} s")


def _unwritable(output: Path, error: OSError) -> OutputError:
    if error.errno == errno.ENOSPC:
        return OutputError(f"the disk is full: {output} was not written; nothing is left of it")
    return OutputError(f"{output} can't be written: {error.strerror or error}")
