"""Sources of sound, decoded: whatever they are coded in, as stereo samples at one rate."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import urlsplit
from urllib.request import getproxies

import numpy as np
from numpy.typing import NDArray

from helios.errors import UsageError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.container import InputContainer

T = TypeVar("T")

RATE = 48_000
"""Samples per second, of all that is mixed."""
Samples = NDArray[np.float32]
"""Samples x 2 channels; 1 is full scale."""
_GAP = RATE // 50
"""Samples by which a source's times may be off before it is taken for a gap."""
SILENCE = 30.0
"""Seconds without a byte after which a server is given up."""

_PLAIN = "mov,matroska,webm,ogg,mp3,wav,w64,flac,aac,aiff,caf,au,ac3,eac3,avi,mpegts,mpeg,flv,asf"
"""Formats that hold all of their sound themselves."""
_ADVICE = "check that the server answers, or download the file and name that"
_PROTOCOLS = {"": "file", "http://": "http,tcp", "https://": "https,tls,tcp", "data:": "data"}


class NoAudio(UsageError):
    """A source that is all right, but has nothing to be heard in it."""

    code = "no-audio"


class Source:
    """A file or address that has sound."""

    def __init__(self, container: InputContainer, label: str) -> None:
        self._container = container
        self._label = label
        self._stream = container.streams.audio[0]

    def blocks(self, rate: float = 1.0) -> Iterator[Samples]:
        """Its samples from its beginning to its end, ``rate`` times as fast.

        A mono source is as loud on both sides as it is; more than two channels are mixed down.

        Raises:
            UsageError: it is broken.
        """
        from av.audio.resampler import AudioResampler
        from av.error import FFmpegError

        mono = self._stream.codec_context.layout.nb_channels == 1
        resampler = AudioResampler("fltp", "mono" if mono else "stereo", RATE)
        position = 0
        try:
            for frame in _paced(self._frames(), rate):
                for block in resampler.resample(frame):
                    data = _stereo(block)
                    if position == 0 and rate == 1 and (late := self._lateness(frame)) > _GAP:
                        yield np.zeros((late, 2), np.float32)
                    position += len(data)
                    yield data
            for block in resampler.resample(None):
                yield _stereo(block)
        except (FFmpegError, OSError, ValueError) as error:
            raise _unreadable(self._label, error) from None

    def _frames(self) -> Iterator[AudioFrame]:
        frames = self._container.decode(self._stream)
        patient = _Patient(self._label)
        following = iter(lambda: patient.ask(lambda: next(frames, None)), None)
        first = next(following, None)
        if first is None:
            raise UsageError(f"{self._label} has no sound in it")
        yield from chain((first,), following)

    def _lateness(self, frame: AudioFrame | None) -> int:
        """Samples by which the sound begins after the rest of the source."""
        if frame is None or frame.pts is None or frame.time_base is None:
            return 0
        begins = Fraction(self._container.start_time or 0, 1_000_000)
        return max(0, round((frame.pts * frame.time_base - begins) * RATE))


@contextmanager
def open_source(label: str, *, plain: bool = False) -> Generator[Source]:
    """The source at a path or an address. A ``plain`` one leads to no other file or address, as playlists do.

    Raises:
        NoAudio: there is no sound in it.
        UsageError: there is no such source, or it can't be read.
    """
    import av

    scheme = re.match(r"data:|[a-z0-9+.-]+://", label, re.IGNORECASE)
    if not scheme and not Path(label).is_file():
        raise UsageError(f"{label}: there is no such file")
    protocols = _PROTOCOLS.get(scheme[0].lower() if scheme else "", "none")
    only = {"format_whitelist": _PLAIN, "protocol_whitelist": protocols} if plain else {}
    patience = {_patience(scheme[0].lower()): str(round(SILENCE * 1_000_000))} if scheme else {}
    address, label = label, label[:40] if protocols == "data" else label
    if scheme:
        _look_up(address, label)
    with _Patient(label).ask(lambda: av.open(address, options=only | patience)) as container:
        if not container.streams.audio:
            raise NoAudio(f"{label} has no sound in it")
        yield Source(container, label)


def _paced(frames: Iterator[AudioFrame], rate: float) -> Iterator[AudioFrame | None]:
    """The frames, played ``rate`` times as fast at the same pitch."""
    if rate == 1:
        yield from frames
        return
    from av.error import BlockingIOError as AgainError
    from av.error import EOFError as EndError
    from av.filter import Graph

    first = next(frames)
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=first.sample_rate, format=first.format.name, layout=first.layout.name, time_base=first.time_base
    )
    steps = [graph.add("atempo", f"{part:.9f}") for part in _tempos(rate)]
    sink = graph.add("abuffersink")
    graph.link_nodes(source, *steps, sink).configure()
    for frame in chain((first,), frames, (None,)):
        source.push(frame)
        while True:
            try:
                pulled = sink.pull()
            except (AgainError, EndError):
                break
            yield pulled  # type: ignore[misc]


def _tempos(rate: float) -> list[float]:
    """Factors that atempo takes (0.5 and more), and whose product is ``rate``."""
    parts: list[float] = []
    while rate < 0.5:
        parts.append(0.5)
        rate /= 0.5
    return [*parts, rate]


def _stereo(frame: AudioFrame) -> Samples:
    data = frame.to_ndarray()
    return np.ascontiguousarray(np.broadcast_to(data, (2, data.shape[1])).T, np.float32)


def _patience(scheme: str) -> str:
    """ffmpeg's option for the microseconds after which a silent server is an error.

    Source: https://ffmpeg.org/ffmpeg-protocols.html
    """
    return "timeout" if scheme.startswith("rtsp") else "rw_timeout"


def _look_up(address: str, label: str) -> None:
    """Makes sure that the name of an address's host can be looked up in time, for ffmpeg waits without an end.

    Raises:
        UsageError: it can't.
    """
    try:
        host = urlsplit(address).hostname
    except ValueError as error:
        raise UsageError(f"{label} is not a valid address: {error}") from None
    if not host or getproxies():  # a proxy looks names up itself
        return
    outcome: list[Exception | None] = []

    def work() -> None:
        try:
            socket.getaddrinfo(host, None)
        except (OSError, ValueError) as error:
            outcome.append(error)
        else:
            outcome.append(None)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(SILENCE)
    if not outcome:
        raise UsageError(f"{label}: the name {host} was not resolved within {SILENCE:g} s: {_ADVICE}")
    if error := outcome[0]:
        raise UsageError(f"{label}: the name {host} can't be resolved: {_error_text(error)}")


class _Patient:
    """Asks ffmpeg for parts of a source, and notices when its server has stopped to send.

    ffmpeg's formats hide that: they call what they have so far broken, or complete. So what fails or ends after a wait
    as long as a silent server gets, has failed or ended because of it.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._waited = False

    def ask(self, request: Callable[[], T]) -> T:
        """What ``request`` returns.

        Raises:
            UsageError: the source can't be read, or its server has stopped to send.
        """
        from av.error import FFmpegError

        started = time.monotonic()
        found: T | None = None
        failure: Exception | None = None
        try:
            found = request()
        except (FFmpegError, OSError, ValueError) as error:
            failure = error
        self._waited |= isinstance(failure, TimeoutError) or time.monotonic() - started >= SILENCE
        if found is None and self._waited and "://" in self._label:
            raise UsageError(f"{self._label} sent nothing for {SILENCE:g} s: {_ADVICE}")
        if failure:
            raise _unreadable(self._label, failure)
        return cast("T", found)


def _unreadable(label: str, error: Exception) -> UsageError:
    return UsageError(f"{label} can't be read as sound: {_error_text(error)}")


def _error_text(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
