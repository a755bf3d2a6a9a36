"""The file of a segment."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import av
from av.packet import Packet
from av.video.frame import VideoFrame

from helios.composition import timescale
from helios.errors import OutputError


class SegmentFile:
    """Writes a segment to ``<name>.part``, and renames it when it is complete.

    Raises (from any method):
        OutputError: it can't be written.
    """

    def __init__(self, path: Path, fps: Fraction, *, index_first: bool = False) -> None:
        """With ``index_first``, players can start an mp4 or mov before they have all of it."""
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self.fps = fps
        options = {} if self._counts_milliseconds else {"video_track_timescale": str(timescale(fps))}
        if index_first and not self._counts_milliseconds:
            options["movflags"] = "+faststart"
        try:
            self.container = av.open(str(self._part), "w", format=path.suffix[1:], options=options)
        except OSError as error:
            raise _unwritable(path, error) from error

    @property
    def _counts_milliseconds(self) -> bool:
        return self._path.suffix == ".webm"

    def first_timestamp(self, first: int) -> int:
        """Returns the timestamp (in frames) of the video's frame ``first`` in this segment: 0 if all times are exact.

        In a container that rounds times, each frame has its time in the video, so that a join does not round it again.
        """
        return first if self._counts_milliseconds else 0

    def mux(self, packets: Iterable[Packet[Any]]) -> None:
        """Appends packets."""
        try:
            for packet in packets:
                self.container.mux(packet)
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def finish(self) -> None:
        """Closes the file and gives the segment its name."""
        try:
            self.container.close()
            self._part.replace(self._path)
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def __enter__(self) -> SegmentFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with contextlib.suppress(OSError):  # the first error is already being raised
                self.container.close()
            self._part.unlink(missing_ok=True)


class PixelSink(Protocol):
    """Encodes frames into a segment; frame k is at exactly k/fps. It blocks: call it from a thread."""

    def add(self, pixels: VideoFrame | None) -> None:
        """Appends a frame (bgr0 or bgra), or the last one again.

        Raises:
            OutputError: the segment can't be written.
        """
        ...

    def finish(self) -> None:
        """Finishes the segment.

        Raises:
            OutputError: the segment can't be written.
            BrowserError: frames of it are missing.
        """
        ...


def _unwritable(path: Path, error: OSError) -> OutputError:
    if error.errno == errno.ENOSPC:
        return OutputError(f"the disk is full: {path.name} could not be written")
    return OutputError(f"{path.name} could not be written: {error.strerror}")
