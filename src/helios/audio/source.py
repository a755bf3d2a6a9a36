"""Decodes audio sources of any format into stereo samples at one rate."""

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
"""Samples per second of all mixed audio."""
Samples = NDArray[np.float32]
"""Samples x 2 channels; 1 is full scale."""
_GAP = RATE // 50
"""Tolerance, in samples, before a difference between a source's times counts as a gap."""
SERVER_TIMEOUT = 30.0
"""Seconds without data from a server after which reading fails."""

_SELF_CONTAINED = "mov,matroska,webm,ogg,mp3,wav,w64,flac,aac,aiff,caf,au,ac3,eac3,avi,mpegts,mpeg,flv,asf"
"""Formats that contain their audio and refer to no other file."""
_ADVICE = "check that the server answers, or download the file and name that"
_PROTOCOLS = {"": "file", "http://": "http,tcp", "https://": "https,tls,tcp", "data:": "data"}


class NoAudio(UsageError):
    """A source is readable, but has no audio."""

    code = "no-audio"


class Source:
    """A file or address that has audio."""

    def __init__(self, container: InputContainer, label: str) -> None:
        self._container = container
        self._label = label
        self._stream = container.streams.audio[0]

    def blocks(self, rate: float = 1.0) -> Iterator[Samples]:
        """Yields all samples, played ``rate`` times as fast.

        A mono source plays on both channels at its own level; more than two channels are mixed down.

        Raises:
            UsageError: the source is broken.
        """
        from av.audio.resampler import AudioResampler
        from av.error import FFmpegError

        mono = self._stream.codec_context.layout.nb_channels == 1
        resampler = AudioResampler("fltp", "mono" if mono else "stereo", RATE)
        position = 0
        try:
            for frame in _change_tempo(self._frames(), rate):
                for block in resampler.resample(frame):
                    data = _stereo(block)
                    if position == 0 and rate == 1 and (silence := self._leading_silence(frame)) > _GAP:
                        yield np.zeros((silence, 2), np.float32)
                    position += len(data)
                    yield data
            for block in resampler.resample(None):
                yield _stereo(block)
        except (FFmpegError, OSError, ValueError) as error:
            raise _unreadable(self._label, error) from None

    def _frames(self) -> Iterator[AudioFrame]:
        frames = self._container.decode(self._stream)
        watch = _ServerWatch(self._label)
        following = iter(lambda: watch.call(lambda: next(frames, None)), None)
        first = next(following, None)
        if first is None:
            raise UsageError(f"{self._label} has no audio")
        yield from chain((first,), following)

    def _leading_silence(self, frame: AudioFrame | None) -> int:
        """Returns the samples between the start of the source and the start of its audio."""
        if frame is None or frame.pts is None or frame.time_base is None:
            return 0
        start = Fraction(self._container.start_time or 0, 1_000_000)
        return max(0, round((frame.pts * frame.time_base - start) * RATE))


@contextmanager
def open_source(label: str, *, self_contained: bool = False) -> Generator[Source]:
    """Opens a path or an address. ``self_contained`` refuses formats that refer to other files, such as playlists.

    Raises:
        NoAudio: the source has no audio.
        UsageError: the source is missing, or can't be read.
    """
    import av

    scheme = re.match(r"data:|[a-z0-9+.-]+://", label, re.IGNORECASE)
    if not scheme and not Path(label).is_file():
        raise UsageError(f"{label}: no such file")
    protocols = _PROTOCOLS.get(scheme[0].lower() if scheme else "", "none")
    only = {"format_whitelist": _SELF_CONTAINED, "protocol_whitelist": protocols} if self_contained else {}
    timeout = {_timeout_option(scheme[0].lower()): str(round(SERVER_TIMEOUT * 1_000_000))} if scheme else {}
    address, label = label, label[:40] if protocols == "data" else label
    if scheme:
        _resolve_host(address, label)
    with _ServerWatch(label).call(lambda: av.open(address, options=only | timeout)) as container:
        if not container.streams.audio:
            raise NoAudio(f"{label} has no audio")
        yield Source(container, label)


def _change_tempo(frames: Iterator[AudioFrame], rate: float) -> Iterator[AudioFrame | None]:
    """Yields the frames, played ``rate`` times as fast at the same pitch."""
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
    steps = [graph.add("atempo", f"{part:.9f}") for part in _split_tempo(rate)]
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


def _split_tempo(rate: float) -> list[float]:
    """Splits ``rate`` into factors that ffmpeg's atempo filter accepts (0.5 and more)."""
    parts: list[float] = []
    while rate < 0.5:
        parts.append(0.5)
        rate /= 0.5
    return [*parts, rate]


def _stereo(frame: AudioFrame) -> Samples:
    data = frame.to_ndarray()
    return np.ascontiguousarray(np.broadcast_to(data, (2, data.shape[1])).T, np.float32)


def _timeout_option(scheme: str) -> str:
    """Returns ffmpeg's option for the microseconds without data after which reading fails.

    Source: https://ffmpeg.org/ffmpeg-protocols.html
    """
    return "timeout" if scheme.startswith("rtsp") else "rw_timeout"


def _resolve_host(address: str, label: str) -> None:
    """Checks that an address's host name resolves in time, because ffmpeg waits for that without limit.

    Raises:
        UsageError: the address is malformed, or its host name does not resolve.
    """
    try:
        host = urlsplit(address).hostname
    except ValueError as error:
        raise UsageError(f"{label} is not a valid address: {error}") from None
    if not host or getproxies():  # a proxy resolves names itself
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
    thread.join(SERVER_TIMEOUT)
    if not outcome:
        raise UsageError(f"{label}: the name {host} was not resolved within {SERVER_TIMEOUT:g} s: {_ADVICE}")
    if error := outcome[0]:
        raise UsageError(f"{label}: the name {host} can't be resolved: {_error_text(error)}")


class _ServerWatch:
    """Calls ffmpeg for parts of a source, and detects that the server has stopped sending.

    ffmpeg's formats hide that: they report the data so far as broken, or as complete. So if a call takes as long as the
    time-out, a failure or the end of the data is put down to the server.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._waited = False

    def call(self, request: Callable[[], T]) -> T:
        """Returns the result of ``request``.

        Raises:
            UsageError: the source can't be read, or its server has stopped sending.
        """
        from av.error import FFmpegError

        started = time.monotonic()
        found: T | None = None
        failure: Exception | None = None
        try:
            found = request()
        except (FFmpegError, OSError, ValueError) as error:
            failure = error
        self._waited |= isinstance(failure, TimeoutError) or time.monotonic() - started >= SERVER_TIMEOUT
        if found is None and self._waited and "://" in self._label:
            raise UsageError(f"{self._label} sent no data for {SERVER_TIMEOUT:g} s: {_ADVICE}")
        if failure:
            raise _unreadable(self._label, failure)
        return cast("T", found)


def _unreadable(label: str, error: Exception) -> UsageError:
    return UsageError(f"{label} can't be read as audio: {_error_text(error)}")


def _error_text(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
