"""A segment while it is being written."""

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
    """A segment being written: it gets its name when it is whole; before that it is ``<name>.part``.

    Raises (from any method):
        OutputError: it can't be written.
    """

    def __init__(self, path: Path, fps: Fraction, *, index_first: bool = False) -> None:
        """With ``index_first`` an mp4 or mov is one that players can start before they have all of it."""
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

    def beginning(self, first: int) -> int:
        """The number of frame ``first`` in this segment, which counts from 0 where all times are exact.

        Where they are rounded, each frame is written at its time in the video, so that a join rounds it no further.
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
        """Writes what is left and gives the segment its name."""
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
            with contextlib.suppress(OSError):  # the segment is given up; its first error is on its way up
                self.container.close()
            self._part.unlink(missing_ok=True)


class PixelSink(Protocol):
    """Makes images into a segment whose frame k stands at exactly k/fps. It blocks: call it from a thread."""

    def add(self, pixels: VideoFrame | None) -> None:
        """Appends an image (bgr0), or the last one again.

        Raises:
            OutputError: the segment can't be written.
        """
        ...

    def finish(self) -> None:
        """Ends the segment.

        Raises:
            OutputError: the segment can't be written.
            BrowserError: frames of it are missing.
        """
        ...


def _unwritable(path: Path, error: OSError) -> OutputError:
    if error.errno == errno.ENOSPC:
        return OutputError(f"the disk is full: {path.name} could not be written")
    return OutputError(f"{path.name} could not be written: {error.strerror}")
