"""Mixes tracks into one audio file as long as the video, aligned to its frames."""

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
"""The size of a stereo sample: two floats of 4 bytes."""
_CEILING = 10 ** (-1 / 20)
"""The highest peak after raising the loudness (-1 dBFS: EBU R128)."""
_SILENCE = 10 ** (-80 / 20)


@dataclass(frozen=True, slots=True)
class AudioEncoding:
    """How audio is encoded: ffmpeg's encoder, its sample format, and bits per second (0: the encoder's default)."""

    encoder: str
    form: str
    bitrate: int


ENCODINGS: dict[AudioCodec, AudioEncoding] = {
    "aac": AudioEncoding("aac", "fltp", 192_000),
    "opus": AudioEncoding("libopus", "flt", 160_000),
    "pcm": AudioEncoding("pcm_s16le", "s16", 0),
}


_MATROSKA = {".mkv", ".webm"}


class Stopped(Exception):
    """The mix was stopped by its caller."""


@dataclass(slots=True)
class Mixed:
    """The mixed audio file, and warnings about it."""

    path: Path
    warnings: list[str]


def nearest_sample(frame: int, fps: Fraction) -> int:
    """Returns the sample at which a frame starts."""
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
    """Mixes the audio of ``frames`` of a video of ``whole`` frames into a file in ``folder``, which is created.

    ``container`` is the suffix of the video, such as ``.mp4``. It blocks: call it from a thread.

    Raises:
        UsageError: a source can't be read.
        OutputError: the file can't be written.
        Stopped: ``stopped`` was set.
    """
    encoding = ENCODINGS[audio.codec]
    window = range(nearest_sample(frames.start, fps), nearest_sample(frames.stop, fps))
    mixed = Mixed(folder / f"audio{_intermediate_suffix(audio.codec, container)}", [])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        voices = _voices(audio, folder / "samples.f32", nearest_sample(whole, fps), mixed.warnings, stopped)
        for voice in voices:
            if warning := voice.warning():
                mixed.warnings.append(warning)
        gain = 1.0
        if audio.loudness is not None:
            gain = _gain(_blocks(voices, window, stopped), audio.loudness, mixed.warnings)
        peak = _write(_blocks(voices, window, stopped), mixed.path, encoding, gain)
        if peak > 1:
            mixed.warnings.append(f"the audio clips: its peak is {_db(peak):.1f} dB too loud; lower a volume")
    except OSError as error:
        raise OutputError(f"the audio can't be mixed in {folder}: {error.strerror}") from error
    return mixed


@dataclass(frozen=True, slots=True)
class _Voice:
    """A track's samples, which play from sample ``start`` of the video for ``length`` samples. The first one to play is
    at ``phase``.
    """

    track: Track
    samples: Samples
    start: int
    length: int
    phase: int = 0

    def add_to(self, block: Samples, block_start: int) -> None:
        """Adds the track's part of a block of the video that starts at sample ``block_start``."""
        first, stop = max(0, block_start - self.start), min(self.length, block_start + len(block) - self.start)
        at = first
        while at < stop:
            inside = (at + self.phase) % len(self.samples)
            count = min(stop - at, len(self.samples) - inside)
            into = at + self.start - block_start
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
            gains *= np.minimum(1, (self.length - at) / (self.track.fade_out * RATE))
        return gains.astype(np.float32)[:, np.newaxis]

    def warning(self) -> str | None:
        if self.length <= 0:
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
    """Decodes the tracks into one file at ``path``: there may be more tracks than a process can have open files."""
    decoded: list[_Decoded] = []
    with path.open("wb") as file:
        for track in audio.tracks:
            try:
                decoded.append(_decode(track, file, end, stopped))
            except UsageError as error:
                if not track.found:
                    raise
                warnings.append(f"{error}: left out of the audio")
        size = file.tell() // _SAMPLE_BYTES
    samples = np.memmap(path, np.float32, "r", shape=(size, 2)) if size else np.zeros((0, 2), np.float32)
    return [
        _Voice(found.track, samples[found.at : found.at + found.count], found.start, found.length, found.phase)
        for found in decoded
    ]


@dataclass(frozen=True, slots=True)
class _Decoded:
    """The position of a track's ``count`` samples in the file. For the other fields see ``_Voice``."""

    track: Track
    at: int
    count: int
    start: int
    length: int
    phase: int = 0


def _decode(track: Track, file: BinaryIO, end: int, stopped: threading.Event | None) -> _Decoded:
    """Decodes the part of a track that a video of ``end`` samples needs into ``file``."""
    at = file.tell() // _SAMPLE_BYTES
    start = round(track.start * RATE)
    length = max(0, end - start)
    if track.length is not None:
        length = min(length, round(track.length * RATE))
    skipped = round(track.offset * RATE / track.rate)
    if track.loop and track.period:
        count = round(track.period * RATE / track.rate)
        found = _write_samples(track, file, range(count), stopped)
        file.write(bytes(_SAMPLE_BYTES * (count - found)))
        return _Decoded(track, at, count, start, length if found else 0, skipped % count)
    found = _write_samples(track, file, range(skipped, skipped + length), stopped)
    return _Decoded(track, at, found, start, length if track.loop and found else found)


def _write_samples(track: Track, file: BinaryIO, wanted: range, stopped: threading.Event | None) -> int:
    """Writes the samples in the range ``wanted`` that exist, and returns their number."""
    passed = 0
    with open_source(track.source, self_contained=track.found) as source:
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
    """Returns the factor that gives the mix the ``loudness`` (LUFS), limited by its peaks."""
    measured, peak = _measure(blocks)
    if not math.isfinite(measured) or measured <= -70:
        warnings.append(f"the loudness can't be set to {loudness:g} LUFS: the audio is nearly silent")
        return 1.0
    wanted = 10 ** ((loudness - measured) / 20)
    allowed = max(1.0, _CEILING / peak) if peak else wanted
    if wanted > allowed:
        reached = measured + _db(allowed)
        warnings.append(f"the loudness is {reached:.1f} LUFS instead of {loudness:g}: louder peaks would clip")
    return min(wanted, allowed)


def _measure(blocks: Iterator[Samples]) -> tuple[float, float]:
    """Returns the integrated loudness (LUFS) and the highest sample. Source: EBU R128, by ffmpeg's ebur128."""
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


def _intermediate_suffix(codec: AudioCodec, container: str) -> str:
    """Returns the suffix of the file from which ffmpeg can copy the audio into the container with exact times."""
    if codec == "opus" and container in _MATROSKA:
        return ".mka"
    return ".mov" if codec == "pcm" else ".mp4"


def _write(blocks: Iterator[Samples], path: Path, encoding: AudioEncoding, gain: float) -> float:
    """Encodes the audio, and returns its highest sample."""
    import av
    from av.audio.resampler import AudioResampler
    from av.audio.stream import AudioStream

    peak, at = 0.0, 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoding.encoder, rate=RATE)
        assert isinstance(stream, AudioStream)
        stream.layout = "stereo"
        stream.format = encoding.form
        stream.time_base = Fraction(1, RATE)
        if encoding.bitrate:
            stream.bit_rate = encoding.bitrate
        resampler = AudioResampler(encoding.form, "stereo", RATE, frame_size=0)
        for block in chain(blocks, (None,)):
            if block is not None:
                block *= np.float32(gain)
                peak = max(peak, float(np.abs(block).max()))
                at += len(block)
            for frame in resampler.resample(None if block is None else _frame(block, at - len(block))):
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
