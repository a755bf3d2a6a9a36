"""Joining by ffmpeg's concat demuxer: streams are copied, nothing is encoded again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from helios.adapters import WorkerAdapter
from helios.composition import parse_format
from helios.errors import StitchError, UsageError
from helios.output import beside, place
from helios.stitcher.command import SEGMENTS, Ffmpeg, lay_out, read_alike
from helios.stitcher.segment import Format, Segment, read_audio, read_segment
from helios.stitcher.tags import Tags, write_tags
from helios.text import Text, check_container

_MOV = frozenset({".mp4", ".m4v", ".mov"})
_ROUNDED = Fraction(21, 10_000)
"""Seconds by which a time and a length may be off in containers that count milliseconds."""
_PACKET = Fraction(25, 1000)
"""Seconds of a whole packet of sound: some containers can't say that their last one is shorter."""


class FfmpegStitcher:
    """Joins segments with ffmpeg, run through ``adapter``.

    Before, every segment is read and compared with the first; after, every frame's time is checked.
    """

    def __init__(self, adapter: WorkerAdapter) -> None:
        """Finds ffmpeg. Raises MissingTool where there is none."""
        self._ffmpeg = Ffmpeg(adapter)

    async def stitch(
        self, inputs: Sequence[Path], output: Path, audio: Path | None = None, text: Text | None = None
    ) -> None:
        """Joins ``inputs`` into ``output``. See ``VideoStitcher.stitch``."""
        form = parse_format(output)
        if form.kind != "video":
            raise UsageError(f"{output.name}: {form.suffix} files are no videos, which this stitcher joins")
        suffix = output.suffix.lower()
        if text:
            check_container(text, suffix)
        segments = await asyncio.to_thread(read_alike, inputs)
        length = sum((segment.duration for segment in segments), Fraction(0))
        with beside(output) as folder:
            joined = folder / f"joined{suffix}"
            lay_out(segments, folder)
            heard = f"audio{audio.suffix}" if audio else None
            if audio and heard:
                (folder / heard).symlink_to(audio.absolute())
            tags = text and write_tags(text, folder, suffix, length)
            arguments = concat_arguments(suffix, segments[0].format, steady_decoding(segments), heard, tags)
            await self._ffmpeg.run(folder, arguments, joined.name)
            await asyncio.to_thread(_check, segments, joined)
            if audio:
                await asyncio.to_thread(_check_audio, audio, joined)
            await asyncio.to_thread(place, joined, output)


def steady_decoding(segments: Sequence[Segment]) -> str | None:
    """The filter that gives every packet a new decoding time, where the segments' own don't fit together.

    A segment of 1 or 2 frames has nothing out of order and no delay; between others that have, decoding times
    would overlap, ffmpeg would squeeze them, and the video would be said to end too early.
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
    suffix: str,
    format: Format,
    packet_filter: str | None = None,
    audio: str | None = None,
    tags: Tags | None = None,
) -> tuple[str, ...]:
    """ffmpeg's arguments, but for the output, in a folder where segments of that ``format`` are laid out, and with them
    the ``audio`` and the ``tags``.
    """
    heard = ["-i", audio] if audio else []
    read = tags.inputs() if tags else []
    streams = ["-map", "0:v", "-map", "1:a"] if audio else ["-map", "0"]
    arguments = [*SEGMENTS, *heard, *read, *streams, "-c", "copy"]
    if tags:
        arguments += tags.outputs(2 if audio else 1)
    if suffix in _MOV:
        if packet_filter:  # the others keep no decoding times, or say no duration by them
            arguments += ["-bsf:v", packet_filter]
        if format.codec == "hevc":
            arguments += ["-tag:v", "hvc1"]  # QuickTime and Safari play no other
        # The segments' own ticks, so that no time is rounded; the index first, so that players can start.
        arguments += ["-video_track_timescale", str(format.time_base.denominator), "-movflags", "+faststart"]
    elif audio and suffix != ".ts":
        # What an encoder says ahead of time stands in the track's header: nothing is to be shifted for it.
        arguments += ["-avoid_negative_ts", "disabled"]
    return tuple(arguments)


def _check(segments: Sequence[Segment], joined: Path) -> None:
    video = read_segment(joined)
    wanted: list[Fraction] = []
    start = Fraction(0)
    for segment in segments:
        wanted += [start + time - segment.times[0] for time in segment.times]
        start += segment.duration
    if len(video.times) != len(wanted):
        raise StitchError(f"the joined video has {len(video.times)} frames instead of {len(wanted)}")
    tick = video.format.time_base
    exact = Fraction(0) if tick == segments[0].format.time_base else tick / 2
    for number, (time, want) in enumerate(zip(video.times, wanted, strict=True)):
        if abs(time - video.times[0] - want) > exact:
            raise StitchError(f"frame {number} of the joined video is at {float(time)} s instead of {float(want)} s")


def _check_audio(audio: Path, joined: Path) -> None:
    """Makes sure that the sound begins and ends where it should."""
    wanted, found = read_audio(audio), read_audio(joined)
    if abs(found.begins - wanted.begins) > _ROUNDED:
        raise StitchError(
            f"the video's sound begins at {float(found.begins):.4f} s instead of {float(wanted.begins):.4f} s"
        )
    if not -_ROUNDED < found.ends - wanted.ends < _PACKET:
        raise StitchError(f"the video's sound ends at {float(found.ends):.4f} s instead of {float(wanted.ends):.4f} s")
