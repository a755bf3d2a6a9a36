"""Running ffmpeg on segments, in a folder of its own: it never sees a name of the caller's."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from helios.adapters import WorkerAdapter
from helios.errors import StitchError
from helios.stitcher.binary import find_ffmpeg
from helios.stitcher.segment import FORMATS, Segment, read_segment
from helios.worker import WorkerJob

RETRIES = 3
"""How often a command is tried again whose ffmpeg was killed."""
QUIET = ("-hide_banner", "-nostdin", "-loglevel", "warning")
SEGMENTS = ("-f", "concat", "-i", "list.txt")
"""What ffmpeg reads where ``lay_out`` has been."""
_FILES_ONLY = ("-format_whitelist", f"concat,{FORMATS}", "-protocol_whitelist", "file")
"""For what is read first, the segments: a playlist among them leads nowhere."""
_TWO_ROUNDINGS = Fraction(2, 1000)


class Ffmpeg:
    """ffmpeg, run through ``adapter``."""

    def __init__(self, adapter: WorkerAdapter) -> None:
        """Finds ffmpeg. Raises MissingTool where there is none: better now than when all frames are drawn."""
        self._adapter = adapter
        self._path = find_ffmpeg()

    async def run(self, folder: Path, arguments: Sequence[str], output: str) -> None:
        """Has ``output`` made in ``folder``. ``arguments`` begin with ``SEGMENTS``.

        Raises:
            StitchError: it can't be made.
            OSError: the disk is full.
        """
        job = WorkerJob(str(self._path), (*QUIET, *_FILES_ONLY, *arguments, output), cwd=folder)
        result = await self._adapter.execute(job)
        for _ in range(RETRIES):
            if result.exit_code >= 0:
                break
            (folder / output).unlink(missing_ok=True)  # ffmpeg was killed: that says nothing of the segments
            result = await self._adapter.execute(job)
        if result.exit_code != 0:
            message = result.stderr.strip().splitlines()[-5:]
            if any("No space left on device" in line for line in message):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise StitchError(
                f"ffmpeg could not join the segments (exit code {result.exit_code}): {' / '.join(message)}"
            )


def read_alike(inputs: Sequence[Path]) -> list[Segment]:
    """The segments, once it is sure that they fit together. Their durations add up to the video's own times.

    Raises:
        StitchError: there are none, or one can't be read, or is unlike the first.
    """
    if not inputs:
        raise StitchError("there is nothing to stitch")
    segments = [read_segment(path) for path in inputs]
    first = segments[0]
    for segment in segments[1:]:
        if difference := first.format.difference(segment.format):
            raise StitchError(f"{segment.path} does not fit to {first.path}: {difference}")
    # Where frames have the video's own times, rounded, each segment lasts until the next begins.
    gaps = [later.times[0] - earlier.times[0] for earlier, later in pairwise(segments)]
    if all(abs(gap - segment.duration) < _TWO_ROUNDINGS for gap, segment in zip(gaps, segments, strict=False)):
        return [*map(_lasting, segments, gaps), segments[-1]]
    return segments


def _lasting(segment: Segment, duration: Fraction) -> Segment:
    return replace(segment, duration=duration)


def lay_out(segments: Sequence[Segment], folder: Path) -> None:
    """Has segments in ``folder`` under names of ours, and the script for ffmpeg's concat demuxer."""
    names = [f"{number:06}" for number in range(len(segments))]
    for name, segment in zip(names, segments, strict=True):
        (folder / name).symlink_to(segment.path.absolute())
    (folder / "list.txt").write_text(concat_script(names, [segment.duration for segment in segments]))


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
