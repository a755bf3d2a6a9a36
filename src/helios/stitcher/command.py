"""Runs ffmpeg on segments in a temporary folder with generated names, so that no file name needs quoting."""

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
"""How often a command is retried if its ffmpeg was killed."""
QUIET = ("-hide_banner", "-nostdin", "-loglevel", "warning")
SEGMENTS = ("-f", "concat", "-i", "list.txt")
"""ffmpeg's input arguments in a folder that ``lay_out`` has prepared."""
_FILES_ONLY = ("-format_whitelist", f"concat,{FORMATS}", "-protocol_whitelist", "file")
"""Options of the first input, the segments: a playlist among them can't refer to other files."""
_TWO_ROUNDINGS = Fraction(2, 1000)


class Ffmpeg:
    """ffmpeg, run through ``adapter``."""

    def __init__(self, adapter: WorkerAdapter) -> None:
        """Finds ffmpeg. Raises MissingTool if it is not installed: better now than after rendering."""
        self._adapter = adapter
        self._path = find_ffmpeg()

    async def run(self, folder: Path, arguments: Sequence[str], output: str) -> None:
        """Runs ffmpeg in ``folder`` to write the file ``output``. ``arguments`` start with ``SEGMENTS``.

        Raises:
            StitchError: ffmpeg failed.
            OSError: the disk is full.
        """
        job = WorkerJob(str(self._path), (*QUIET, *_FILES_ONLY, *arguments, output), cwd=folder)
        result = await self._adapter.execute(job)
        for _ in range(RETRIES):
            if result.exit_code >= 0:
                break
            (folder / output).unlink(missing_ok=True)  # ffmpeg was killed, which is not a fault of the segments
            result = await self._adapter.execute(job)
        if result.exit_code != 0:
            message = result.stderr.strip().splitlines()[-5:]
            if any("No space left on device" in line for line in message):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise StitchError(
                f"ffmpeg could not join the segments (exit code {result.exit_code}): {' / '.join(message)}"
            )


def read_alike(inputs: Sequence[Path]) -> list[Segment]:
    """Reads segments and checks that they share one format. Their durations add up to the video's exact times.

    Raises:
        StitchError: there are no segments, one can't be read, or its format differs from the first one's.
    """
    if not inputs:
        raise StitchError("there are no segments to join")
    segments = [read_segment(path) for path in inputs]
    first = segments[0]
    for segment in segments[1:]:
        if difference := first.format.difference(segment.format):
            raise StitchError(f"{segment.path} does not match {first.path}: {difference}")
    # Where frames have the video's own times, rounded, each segment lasts until the next one starts.
    gaps = [later.times[0] - earlier.times[0] for earlier, later in pairwise(segments)]
    if all(abs(gap - segment.duration) < _TWO_ROUNDINGS for gap, segment in zip(gaps, segments, strict=False)):
        return [*map(_with_duration, segments, gaps), segments[-1]]
    return segments


def _with_duration(segment: Segment, duration: Fraction) -> Segment:
    return replace(segment, duration=duration)


def lay_out(segments: Sequence[Segment], folder: Path) -> None:
    """Links segments into ``folder`` under generated names, and writes the script for ffmpeg's concat demuxer."""
    names = [f"{number:06}" for number in range(len(segments))]
    for name, segment in zip(names, segments, strict=True):
        (folder / name).symlink_to(segment.path.absolute())
    (folder / "list.txt").write_text(concat_script(names, [segment.duration for segment in segments]))


def concat_script(names: Sequence[str], durations: Sequence[Fraction]) -> str:
    """Returns the script for ffmpeg's concat demuxer.

    The demuxer adds up durations in microseconds. Each duration is chosen so that the sum up to every segment
    is its exact start, rounded once: rounding each duration would add an error of up to half a microsecond a segment.
    """
    lines = ["ffconcat version 1.0"]
    start, written = Fraction(0), 0
    for name, duration in zip(names, durations, strict=True):
        start += duration
        micros = round(start * 1_000_000) - written
        written += micros
        lines += [f"file {name}", f"duration {micros // 1_000_000}.{micros % 1_000_000:06}"]
    return "\n".join(lines) + "\n"
