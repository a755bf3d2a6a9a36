"""Reads metadata, chapters and subtitles back from a video file."""

from pathlib import Path

import av


def subtitles(path: Path) -> list[tuple[str | None, list[tuple[int, int, str]]]]:
    """Returns the language of each track, and its subtitles: start and end (ms), and text."""
    found: list[tuple[str | None, list[tuple[int, int, str]]]] = []
    with av.open(str(path)) as container:
        for stream in container.streams.subtitles:
            cues: list[tuple[int, int, str]] = []
            container.seek(0)
            for packet in container.demux(stream):
                data = bytes(packet)
                if stream.codec_context.name == "mov_text":
                    data = data[2 : 2 + int.from_bytes(data[:2], "big")]
                if packet.pts is not None and packet.duration and data:
                    start, duration = packet.pts * packet.time_base, packet.duration * packet.time_base
                    cues.append((round(1000 * start), round(1000 * (start + duration)), data.decode()))
            found.append((stream.metadata.get("language"), cues))
    return found


def chapters(path: Path) -> list[tuple[int, int, str]]:
    found: list[tuple[int, int, str]] = []
    with av.open(str(path)) as container:
        for one in container.chapters():
            tick = one["time_base"]
            assert tick is not None
            found.append((round(1000 * one["start"] * tick), round(1000 * one["end"] * tick), one["metadata"]["title"]))
    return found


def metadata(path: Path) -> dict[str, str]:
    with av.open(str(path)) as container:
        return {key.lower(): value for key, value in container.metadata.items()}
