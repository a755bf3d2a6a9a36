"""Joins segments with ffmpeg's concat demuxer: it copies streams and encodes nothing again."""

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
"""Tolerance (s) of times and durations in containers that count milliseconds."""
_PACKET = Fraction(25, 1000)
"""Duration (s) of a full audio packet: some containers can't store that the last one is shorter."""


class FfmpegStitcher:
    """Joins segments with ffmpeg, run through ``adapter``.

    It first compares the format of every segment with the first one's, and finally checks the time of every frame.
    """

    def __init__(self, adapter: WorkerAdapter) -> None:
        """Finds ffmpeg. Raises MissingTool if it is not installed."""
        self._ffmpeg = Ffmpeg(adapter)

    async def stitch(
        self, inputs: Sequence[Path], output: Path, audio: Path | None = None, text: Text | None = None
    ) -> None:
        """Joins ``inputs`` into ``output``. See ``VideoStitcher.stitch``."""
        form = parse_format(output)
        if form.kind != "video":
            raise UsageError(f"{output.name}: {form.suffix} files are not videos: this stitcher joins videos only")
        suffix = output.suffix.lower()
        if text:
            check_container(text, suffix)
        segments = await asyncio.to_thread(read_alike, inputs)
        length = sum((segment.duration for segment in segments), Fraction(0))
        with beside(output) as folder:
            joined = folder / f"joined{suffix}"
            lay_out(segments, folder)
            audio_name = f"audio{audio.suffix}" if audio else None
            if audio and audio_name:
                (folder / audio_name).symlink_to(audio.absolute())
            tags = text and write_tags(text, folder, suffix, length)
            arguments = concat_arguments(suffix, segments[0].format, steady_decoding(segments), audio_name, tags)
            await self._ffmpeg.run(folder, arguments, joined.name)
            await asyncio.to_thread(_check, segments, joined)
            if audio:
                await asyncio.to_thread(_check_audio, audio, joined)
            await asyncio.to_thread(place, joined, output)


def steady_decoding(segments: Sequence[Segment]) -> str | None:
    """Returns the filter that gives every packet a new decoding time, or None if the segments' own times fit together.

    A segment of 1 or 2 frames has no reordered frames and no delay. Next to segments with a delay, its decoding times
    would overlap; ffmpeg would squeeze them, and the file would give too short a duration.
    """
    delays = {segment.delay for segment in segments}
    if len(delays) == 1:
        return None
    frame = segments[0].duration / len(segments[0].times)
    for segment in segments:
        steady = (segment.times[0] + k * frame for k in range(len(segment.times)))
        if segment.duration != len(segment.times) * frame or segment.times != tuple(steady):
            return None  # frames of different durations: left to ffmpeg
    return f"setts=pts=PTS:dts=round((N*{frame}-{max(delays)})/TB)"


def concat_arguments(
    suffix: str,
    format: Format,
    packet_filter: str | None = None,
    audio: str | None = None,
    tags: Tags | None = None,
) -> tuple[str, ...]:
    """Returns ffmpeg's arguments, without the output, for a folder with segments of this ``format`` and with the files
    ``audio`` and ``tags``.
    """
    audio_input = ["-i", audio] if audio else []
    tag_inputs = tags.inputs() if tags else []
    streams = ["-map", "0:v", "-map", "1:a"] if audio else ["-map", "0"]
    arguments = [*SEGMENTS, *audio_input, *tag_inputs, *streams, "-c", "copy"]
    if tags:
        arguments += tags.outputs(2 if audio else 1)
    if suffix in _MOV:
        if packet_filter:  # other containers store no decoding times, or derive no duration from them
            arguments += ["-bsf:v", packet_filter]
        if format.codec == "hevc":
            arguments += ["-tag:v", "hvc1"]  # the only tag that QuickTime and Safari play
        # The segments' time base, so that no time is rounded; the index first, so that playback can start early.
        arguments += ["-video_track_timescale", str(format.time_base.denominator), "-movflags", "+faststart"]
    elif audio and suffix != ".ts":
        # The track's header holds the encoder's delay: no times must be shifted for it.
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
    """Checks the start and the end of the audio."""
    wanted, found = read_audio(audio), read_audio(joined)
    if abs(found.start - wanted.start) > _ROUNDED:
        raise StitchError(
            f"the video's audio starts at {float(found.start):.4f} s instead of {float(wanted.start):.4f} s"
        )
    if not -_ROUNDED < found.end - wanted.end < _PACKET:
        raise StitchError(f"the video's audio ends at {float(found.end):.4f} s instead of {float(wanted.end):.4f} s")
