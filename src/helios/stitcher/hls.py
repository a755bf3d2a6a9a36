"""A video that can be played while it is made: HTTP Live Streaming, of the segments that are there (RFC 8216)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING

from helios.errors import OutputError, StitchError

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.error import FFmpegError
    from av.packet import Packet
    from av.video.stream import VideoStream

_SOUND = 48_000
"""Samples in a second of all that Helios mixes."""
PLAYLIST = "index.m3u8"
_PIECE_S = 0.5
"""Seconds after which a piece ends, at the next key frame."""
_TAGS = {"hevc": "hvc1"}  # Safari plays no other


class HlsStream:
    """A playlist in ``folder``, which is made, and the pieces that it names: fragmented MP4.

    Segments are added in order; a piece is there as soon as the next begins, so up to half a second
    of the last segment is not, until there is another. Pieces of an earlier stream in that
    folder are removed. It blocks: call it from a thread, and from one at a time.
    """

    def __init__(self, folder: Path, ticks: int, audio: Path | None = None) -> None:
        """``ticks`` are those of a second in segments. ``audio`` is what is heard, from the video's beginning.

        Raises:
            OutputError: the folder can't be written to.
        """
        import av
        from av.error import FFmpegError

        self._folder = folder
        self._end = 0
        self._video: VideoStream | None = None
        self._audio: AudioStream | None = None
        self._audio_file: InputContainer | None = None
        self._waiting: Packet[AudioStream] | None = None
        self._packets: Iterator[Packet[AudioStream]] = iter(())
        try:
            folder.mkdir(exist_ok=True)
            former = [folder / PLAYLIST, folder / "init.mp4", *folder.glob("piece-*.m4s")]
            for old in former:
                if old.is_symlink() or (old.exists() and not old.is_file()):
                    raise OutputError(f"{old} is no file of a stream: remove it, or name another folder")
            for old in former:
                old.unlink(missing_ok=True)
            self._output = av.open(
                str(folder / PLAYLIST),
                "w",
                format="hls",
                options={
                    "hls_playlist_type": "event",
                    "hls_segment_type": "fmp4",
                    "hls_time": str(_PIECE_S),
                    "hls_flags": "temp_file+independent_segments",
                    "hls_segment_filename": str(folder / "piece-%05d.m4s"),
                    "hls_fmp4_init_filename": "init.mp4",
                    # In which both begin without rounding.
                    "hls_segment_options": f"movie_timescale={lcm(_SOUND, ticks)}",
                },
            )
            if audio:
                self._audio_file = av.open(str(audio))
        except (FFmpegError, OSError) as error:
            raise self._unwritable(error) from error

    def add(self, segment: Path) -> None:
        """Appends a segment, and what is heard meanwhile.

        Raises:
            StitchError: it can't be read.
            OutputError: the stream can't be written.
        """
        import av
        from av.error import FFmpegError

        try:
            container = av.open(str(segment))
        except (FFmpegError, OSError, ValueError) as error:
            raise StitchError(f"{segment} can't be read: {error}") from error
        try:
            with container:
                stream = container.streams.video[0]
                video = self._video or self._begin(stream)
                base = stream.time_base
                assert base is not None, "segments count in ticks"
                started, last = self._end, 0
                for packet in container.demux(stream):
                    if packet.pts is None or packet.dts is None:
                        continue
                    last = max(last, packet.pts + (packet.duration or 0))
                    packet.pts += started
                    packet.dts += started
                    packet.stream = video
                    self._output.mux(packet)
                    for heard in self._until(packet.dts * base):
                        self._output.mux(heard)
                self._end += last
        except (FFmpegError, OSError) as error:
            raise self._unwritable(error) from error

    def finish(self) -> None:
        """Says that this was all.

        Raises:
            OutputError: the stream can't be written.
        """
        from av.error import FFmpegError

        try:
            for heard in self._until(None):
                self._output.mux(heard)
            self._output.close()
        except (FFmpegError, OSError) as error:
            raise self._unwritable(error) from error
        finally:
            self._close_audio()

    def leave(self) -> None:
        """Lets go of it as it is."""
        from av.error import FFmpegError

        with contextlib.suppress(FFmpegError, OSError):
            self._output.close()
        self._close_audio()

    def _begin(self, template: VideoStream) -> VideoStream:
        self._video = self._output.add_stream_from_template(template)
        self._video.time_base = template.time_base
        if tag := _TAGS.get(template.codec_context.name):
            self._video.codec_context.codec_tag = tag
        if self._audio_file:
            source = self._audio_file.streams.audio[0]
            self._audio = self._output.add_stream_from_template(source)
            self._audio.time_base = source.time_base
            self._packets = iter(self._audio_file.demux(source))
        return self._video

    def _until(self, time: Fraction | None) -> Iterator[Packet[AudioStream]]:
        """The packets of sound up to a time (s); without one, all that are left."""
        while packet := self._waiting or next(self._packets, None):
            self._waiting = packet
            if packet.pts is not None:
                if time is not None and packet.pts * packet.time_base > time:
                    return
                packet.stream = self._audio  # type: ignore[assignment]
                yield packet
            self._waiting = None

    def _close_audio(self) -> None:
        if self._audio_file:
            self._audio_file.close()

    def _unwritable(self, error: FFmpegError | OSError) -> OutputError:
        return OutputError(f"the stream in {self._folder} can't be written: {error.strerror or error}")
