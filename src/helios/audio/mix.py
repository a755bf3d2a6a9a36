"""Tracks into one file of sound, at full length, on the video's sample grid."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from helios.audio.source import RATE, Samples, open_source
from helios.audio.track import AudioCodec, AudioSettings, Track
from helios.errors import OutputError, UsageError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

_BLOCK = RATE
_SAMPLE_BYTES = 8
"""Of a stereo sample: two floats of 4 bytes."""
_CEILING = 10 ** (-1 / 20)
"""The highest sample that raising the loudness may lead to (-1 dBFS: EBU R128)."""
_SILENCE = 10 ** (-80 / 20)


@dataclass(frozen=True, slots=True)
class Coding:
    """How sound is written: ffmpeg's encoder, its sample format, and bits per second."""

    encoder: str
    form: str
    bitrate: int


CODINGS: dict[AudioCodec, Coding] = {
    "aac": Coding("aac", "fltp", 192_000),
    "opus": Coding("libopus", "flt", 160_000),
    "pcm": Coding("pcm_s16le", "s16", 0),
}


_MATROSKA = {".mkv", ".webm"}


class Stopped(Exception):
    """Nobody wants the mix any more."""


@dataclass(slots=True)
class Mixed:
    """A file of sound that is as long as the video, and what was odd about it."""

    path: Path
    warnings: list[str]


def nearest_sample(frame: int, fps: Fraction) -> int:
    """The sample at which a frame begins."""
    return round(frame * RATE / fps)


def mix(
    audio: AudioSettings,
    frames: range,
    whole: int,
    fps: Fraction,
    folder: Path,
    container: str,
    stopped: threading.Event | None = None,
) -> Mixed:
    """Mixes what is heard during ``frames`` of a video of ``whole`` frames, into a file in ``folder``, which is made.

    ``container`` is the ending of the video's name.
    Once for the whole video, so there is no seam. It blocks: call it from a thread.

    Raises:
        UsageError: a source can't be read.
        OutputError: it can't be written.
        Stopped: ``stopped`` was set.
    """
    coding = CODINGS[audio.codec]
    window = range(nearest_sample(frames.start, fps), nearest_sample(frames.stop, fps))
    mixed = Mixed(folder / f"audio{_ending(audio.codec, container)}", [])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        voices = _voices(audio, folder / "samples.f32", nearest_sample(whole, fps), mixed.warnings, stopped)
        for voice in voices:
            if warning := voice.warning():
                mixed.warnings.append(warning)
        gain = 1.0
        if audio.loudness is not None:
            gain = _gain(_blocks(voices, window, stopped), audio.loudness, mixed.warnings)
        peak = _write(_blocks(voices, window, stopped), mixed.path, coding, gain)
        if peak > 1:
            mixed.warnings.append(f"the sound is {_db(peak):.1f} dB too loud where it is loudest: lower a volume")
    except OSError as error:
        raise OutputError(f"the sound can't be mixed in {folder}: {error.strerror}") from error
    return mixed


@dataclass(frozen=True, slots=True)
class _Voice:
    """A track's samples, and where on the video's grid they are heard: from ``begin``, ``last`` samples long, that at
    ``phase`` first.
    """

    track: Track
    samples: Samples
    begin: int
    last: int
    phase: int = 0

    def add_to(self, block: Samples, start: int) -> None:
        """Adds what is heard of it in a block that begins at sample ``start`` of the video."""
        first, stop = max(0, start - self.begin), min(self.last, start + len(block) - self.begin)
        at = first
        while at < stop:
            inside = (at + self.phase) % len(self.samples)
            count = min(stop - at, len(self.samples) - inside)
            into = at + self.begin - start
            block[into : into + count] += self.samples[inside : inside + count] * self._gains(at, at + count)
            at += count

    def _gains(self, first: int, stop: int) -> Samples:
        at = np.arange(first, stop, dtype=np.float64)
        gains = np.full(len(at), self.track.volume)
        if self.track.envelope:
            times, factors = zip(*self.track.envelope, strict=True)
            gains *= np.interp(at / RATE, times, factors)
        if self.track.fade_in:
            gains *= np.minimum(1, at / (self.track.fade_in * RATE))
        if self.track.fade_out:
            gains *= np.minimum(1, (self.last - at) / (self.track.fade_out * RATE))
        return gains.astype(np.float32)[:, np.newaxis]

    def warning(self) -> str | None:
        if self.last <= 0:
            return (
                f"{self.track.source} is left out of the audio: it starts after the video's end, "
                "or its offset is after its own end"
            )
        if not any(
            np.abs(self.samples[at : at + _BLOCK]).max() > _SILENCE for at in range(0, len(self.samples), _BLOCK)
        ):
            return f"{self.track.source} is silent"
        return None


def _voices(
    audio: AudioSettings, path: Path, end: int, warnings: list[str], stopped: threading.Event | None
) -> list[_Voice]:
    """The tracks of a video of ``end`` samples, decoded into one file at ``path``: open files are few, tracks may be
    thousands.
    """
    decoded: list[_Decoded] = []
    with path.open("wb") as file:
        for track in audio.tracks:
            try:
                decoded.append(_decode(track, file, end, stopped))
            except UsageError as error:
                if not track.found:
                    raise
                warnings.append(f"{error}: it is left out")
        size = file.tell() // _SAMPLE_BYTES
    samples = np.memmap(path, np.float32, "r", shape=(size, 2)) if size else np.zeros((0, 2), np.float32)
    return [
        _Voice(found.track, samples[found.at : found.at + found.count], found.begin, found.last, found.phase)
        for found in decoded
    ]


@dataclass(frozen=True, slots=True)
class _Decoded:
    """Where a track's ``count`` samples are in the file. For the rest see ``_Voice``."""

    track: Track
    at: int
    count: int
    begin: int
    last: int
    phase: int = 0


def _decode(track: Track, file: BinaryIO, end: int, stopped: threading.Event | None) -> _Decoded:
    """Decodes a track into ``file`` as far as a video of ``end`` samples needs it."""
    at = file.tell() // _SAMPLE_BYTES
    begin = round(track.start * RATE)
    lasts = max(0, end - begin)
    if track.length is not None:
        lasts = min(lasts, round(track.length * RATE))
    skipped = round(track.offset * RATE / track.rate)
    if track.loop and track.period:
        count = round(track.period * RATE / track.rate)
        found = _write_samples(track, file, range(count), stopped)
        file.write(bytes(_SAMPLE_BYTES * (count - found)))
        return _Decoded(track, at, count, begin, lasts if found else 0, skipped % count)
    found = _write_samples(track, file, range(skipped, skipped + lasts), stopped)
    return _Decoded(track, at, found, begin, lasts if track.loop and found else found)


def _write_samples(track: Track, file: BinaryIO, wanted: range, stopped: threading.Event | None) -> int:
    """Writes the samples that are ``wanted``, as far as there are any; returns how many there are."""
    passed = 0
    with open_source(track.source, plain=track.found) as source:
        for block in source.blocks(track.rate):
            _check(stopped)
            file.write(block[max(0, wanted.start - passed) : max(0, wanted.stop - passed)].tobytes())
            passed += len(block)
            if passed >= wanted.stop:
                break
    return len(range(wanted.start, min(passed, wanted.stop)))


def _blocks(voices: Sequence[_Voice], window: range, stopped: threading.Event | None) -> Iterator[Samples]:
    for start in range(window.start, window.stop, _BLOCK):
        _check(stopped)
        block = np.zeros((min(_BLOCK, window.stop - start), 2), np.float32)
        for voice in voices:
            voice.add_to(block, start)
        yield block


def _check(stopped: threading.Event | None) -> None:
    if stopped and stopped.is_set():
        raise Stopped


def _gain(blocks: Iterator[Samples], loudness: float, warnings: list[str]) -> float:
    """The factor that brings the whole to ``loudness``, as far as its peaks allow it."""
    measured, peak = _measured(blocks)
    if not math.isfinite(measured) or measured <= -70:
        warnings.append(f"the sound can't be brought to {loudness:g} LUFS: there is hardly any")
        return 1.0
    wanted = 10 ** ((loudness - measured) / 20)
    allowed = max(1.0, _CEILING / peak) if peak else wanted
    if wanted > allowed:
        reached = measured + _db(allowed)
        warnings.append(f"the sound is brought to {reached:.1f} LUFS, not to {loudness:g}: its peaks allow no more")
    return min(wanted, allowed)


def _measured(blocks: Iterator[Samples]) -> tuple[float, float]:
    """Integrated loudness (LUFS) and the highest sample. Source: EBU R128, ITU-R BS.1770, by ffmpeg's ebur128."""
    from av.error import BlockingIOError as AgainError
    from av.error import EOFError as EndError
    from av.filter import Graph

    graph = Graph()
    source = graph.add_abuffer(sample_rate=RATE, format="flt", layout="stereo", time_base=Fraction(1, RATE))
    sink = graph.add("abuffersink")
    graph.link_nodes(source, graph.add("ebur128", "metadata=1"), sink).configure()
    loudness, peak, at = -math.inf, 0.0, 0
    for block in chain(blocks, (None,)):
        if block is not None:
            peak = max(peak, float(np.abs(block).max()))
            at += len(block)
        source.push(None if block is None else _frame(block, at - len(block)))
        while True:
            try:
                loudness = float(sink.pull().metadata["lavfi.r128.I"])  # type: ignore[union-attr]
            except (AgainError, EndError):
                break
    return loudness, peak


def _ending(codec: AudioCodec, container: str) -> str:
    """The kind of file from which ffmpeg copies sound into such a container with exact times."""
    if codec == "opus" and container in _MATROSKA:
        return ".mka"
    return ".mov" if codec == "pcm" else ".mp4"


def _write(blocks: Iterator[Samples], path: Path, coding: Coding, gain: float) -> float:
    """Encodes the sound; returns its highest sample."""
    import av
    from av.audio.resampler import AudioResampler
    from av.audio.stream import AudioStream

    peak, at = 0.0, 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream(coding.encoder, rate=RATE)
        assert isinstance(stream, AudioStream)
        stream.layout = "stereo"
        stream.format = coding.form
        stream.time_base = Fraction(1, RATE)
        if coding.bitrate:
            stream.bit_rate = coding.bitrate
        shaped = AudioResampler(coding.form, "stereo", RATE, frame_size=0)
        for block in chain(blocks, (None,)):
            if block is not None:
                block *= np.float32(gain)
                peak = max(peak, float(np.abs(block).max()))
                at += len(block)
            for frame in shaped.resample(None if block is None else _frame(block, at - len(block))):
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return peak


def _frame(block: Samples, at: int) -> AudioFrame:
    from av.audio.frame import AudioFrame

    frame = AudioFrame.from_ndarray(block.reshape(1, -1), format="flt", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
    return frame


def _db(factor: float) -> float:
    return 20 * math.log10(factor)
