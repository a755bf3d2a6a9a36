"""Writes finished segments as an HTTP Live Streaming playlist (RFC 8216), for playback during rendering."""

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

_AUDIO_RATE = 48_000
"""Samples per second of all audio that Helios mixes."""
PLAYLIST = "index.m3u8"
_PIECE_SECONDS = 0.5
"""A piece ends at the first key frame after this time."""
_TAGS = {"hevc": "hvc1"}  # the only tag that Safari plays


class HlsStream:
    """Writes a playlist and its pieces (fragmented MP4) into ``folder``, which is created if missing.

    Add segments in order. A piece appears when the next one starts, so up to half a second of the last segment is
    missing until the next is added. Pieces of an earlier stream in the folder are deleted. All methods block: call
    them from a thread, and from one at a time.
    """

    def __init__(self, folder: Path, ticks: int, audio: Path | None = None) -> None:
        """Opens the stream. Segments have ``ticks`` per second; ``audio`` is a file that starts with the video.

        Raises:
            OutputError: the folder is not writable, or holds other files under the stream's names.
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
                    raise OutputError(f"{old} is not a file of a stream: remove it, or choose another folder")
            for old in former:
                old.unlink(missing_ok=True)
            self._output = av.open(
                str(folder / PLAYLIST),
                "w",
                format="hls",
                options={
                    "hls_playlist_type": "event",
                    "hls_segment_type": "fmp4",
                    "hls_time": str(_PIECE_SECONDS),
                    "hls_flags": "temp_file+independent_segments",
                    "hls_segment_filename": str(folder / "piece-%05d.m4s"),
                    "hls_fmp4_init_filename": "init.mp4",
                    # A multiple of both time bases, so that neither start is rounded.
                    "hls_segment_options": f"movie_timescale={lcm(_AUDIO_RATE, ticks)}",
                },
            )
            if audio:
                self._audio_file = av.open(str(audio))
        except (FFmpegError, OSError) as error:
            raise self._unwritable(error) from error

    def add(self, segment: Path) -> None:
        """Appends a segment and the audio of its time.

        Raises:
            StitchError: the segment can't be read.
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
                video = self._video or self._start(stream)
                base = stream.time_base
                assert base is not None, "segments have a time base"
                started, last = self._end, 0
                for packet in container.demux(stream):
                    if packet.pts is None or packet.dts is None:
                        continue
                    last = max(last, packet.pts + (packet.duration or 0))
                    packet.pts += started
                    packet.dts += started
                    packet.stream = video
                    self._output.mux(packet)
                    for audio in self._audio_until(packet.dts * base):
                        self._output.mux(audio)
                self._end += last
        except (FFmpegError, OSError) as error:
            raise self._unwritable(error) from error

    def finish(self) -> None:
        """Ends the playlist.

        Raises:
            OutputError: the stream can't be written.
        """
        from av.error import FFmpegError

        try:
            for audio in self._audio_until(None):
                self._output.mux(audio)
            self._output.close()
        except (FFmpegError, OSError) as error:
            raise self._unwritable(error) from error
        finally:
            self._close_audio()

    def abandon(self) -> None:
        """Closes the files without ending the playlist."""
        from av.error import FFmpegError

        with contextlib.suppress(FFmpegError, OSError):
            self._output.close()
        self._close_audio()

    def _start(self, template: VideoStream) -> VideoStream:
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

    def _audio_until(self, time: Fraction | None) -> Iterator[Packet[AudioStream]]:
        """Yields the audio packets up to a time (s), or all remaining ones for None."""
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
