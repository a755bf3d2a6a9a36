"""Writes audio files and reads them back."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""Samples x channels."""


def tone(seconds: float, rate: int = 48_000, hertz: float = 1000, level: float = 0.25) -> Samples:
    """Returns a mono sine wave."""
    at = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * at)).astype(np.float32)[:, np.newaxis]


def clicks(samples: int, at: list[int]) -> Samples:
    """Returns silence with single loud samples at the positions ``at``."""
    found = np.zeros((samples, 1), np.float32)
    found[at] = 0.9
    return found


def write_audio(path: Path, samples: Samples, rate: int = 48_000, codec: str = "pcm_f32le", **options: str) -> Path:
    """Writes an audio file in the format of its suffix and the codec."""
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[samples.shape[1]]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        assert isinstance(stream, AudioStream)
        stream.layout = layout
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.reshape(1, -1)), format="flt", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        context = stream.codec_context
        resampler = AudioResampler(context.format.name, layout, rate, frame_size=context.frame_size or 1024)
        for part in (frame, None):
            for shaped in resampler.resample(part):
                container.mux(stream.encode(shaped))
        container.mux(stream.encode(None))
    return path


def read_samples(path: Path) -> Samples:
    """Returns the samples that a player plays at 48 kHz, from the first video frame on, or from time 0."""
    with av.open(str(path)) as container:
        times = [
            packet.pts * packet.time_base
            for packet in container.demux(container.streams.video)
            if packet.pts is not None
        ]
    with av.open(str(path)) as container:
        zero = min(times, default=Fraction(0))
        resampler = AudioResampler("flt", "stereo", 48_000)
        blocks = [block for frame in (*container.decode(audio=0), None) for block in resampler.resample(frame)]
    whole = np.concatenate([np.asarray(block.to_ndarray(), np.float32).reshape(-1, 2) for block in blocks])
    assert blocks[0].pts is not None
    assert blocks[0].time_base is not None
    early = round((zero - blocks[0].pts * blocks[0].time_base) * 48_000)
    return whole[early:] if early >= 0 else np.concatenate([np.zeros((-early, 2), np.float32), whole])


def loudest_sample(samples: Samples, near: int, reach: int = 400) -> int:
    """Returns the position of the loudest sample within ``reach`` of the sample ``near``."""
    first = max(0, near - reach)
    return first + int(np.abs(samples[first : near + reach, 0]).argmax())
