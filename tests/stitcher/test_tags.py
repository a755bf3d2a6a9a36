"""The video contains the metadata, chapters and subtitles that were given; its frames stay the same."""

import asyncio
from fractions import Fraction
from pathlib import Path

import pytest

from helios.adapters import LocalWorkerAdapter
from helios.composition import Cue
from helios.errors import UsageError
from helios.stitcher import FfmpegStitcher
from helios.stitcher.ffmpeg import concat_arguments
from helios.stitcher.segment import Format
from helios.stitcher.tags import Tags, format_ffmetadata, write_tags
from helios.text import Chapter, Subtitles, Text
from support.segments import make_segment, make_video, read_duration
from support.tags import chapters, metadata, subtitles
from support.videos import assert_exact, frame_times

FPS = Fraction(24000, 1001)
FRAMES = 48


def cue(start: int, end: int, text: str) -> Cue:
    return Cue(start_ms=start, end_ms=end, text=text)


TEXT = Text(
    metadata={"title": "A = b; c # d \\ é\nf", "artist": "Ada"},
    chapters=(Chapter(start_ms=0, title="One; = #"), Chapter(start_ms=501, title="שתיים")),
    subtitles=(
        Subtitles(cues=(cue(100, 500, "<i>Hello</i>\na < b & {c}"), cue(500, 1200, "42")), language="eng"),
        Subtitles(cues=(cue(1999, 2002, "שלום"),), language="deu"),
        Subtitles(cues=(cue(0, 1000, "one"), cue(500, 1500, "two"))),
    ),
)


def stitch(inputs: list[Path], output: Path, text: Text | None) -> None:
    asyncio.run(FfmpegStitcher(LocalWorkerAdapter()).stitch(inputs, output, None, text))


@pytest.fixture
def segments(tmp_path: Path) -> list[Path]:
    return make_video(tmp_path, [20, 20, 8], FPS)


OVERLAPPING = [(0, 1000, "one"), (500, 1500, "two")]
MERGED = [(0, 500, "one"), (500, 1000, "one\ntwo"), (1000, 1500, "two")]


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv", ".webm"])
def test_text_is_read_back(suffix: str, segments: list[Path], tmp_path: Path) -> None:
    if suffix == ".webm":
        segments = [make_segment(tmp_path / f"v{k}.mp4", 24, FPS, first=24 * k, codec="libvpx-vp9") for k in range(2)]
    video = tmp_path / f"video{suffix}"
    stitch(segments, video, TEXT)
    assert metadata(video)["title"] == TEXT.metadata["title"]
    assert metadata(video)["artist"] == "Ada"
    assert chapters(video) == [(0, 501, "One; = #"), (501, 2002, "שתיים")]
    (english, first), (german, second), (_, third) = subtitles(video)
    quicktime = suffix in (".mp4", ".m4v", ".mov")
    hello = {".mkv": "<i>Hello</i>\na < b & {c}", ".webm": "<i>Hello</i>\na &lt; b &amp; {c}"}.get(
        suffix, "Hello\na < b & {c}"
    )
    assert (english, first) == ("eng", [(100, 500, hello), (500, 1200, "42")])
    assert (german, second) == ("ger" if suffix == ".mov" else "deu", [(1999, 2002, "שלום")])
    assert third == (MERGED if quicktime else OVERLAPPING)
    if quicktime:
        assert_exact(video, FRAMES, FPS)
        assert read_duration(video) == FRAMES / FPS
    else:
        assert max(abs(time - k / FPS) for k, time in enumerate(frame_times(video))) <= Fraction(1, 2000)


def test_a_subtitle_may_come_late_in_a_long_video(tmp_path: Path) -> None:
    segments = make_video(tmp_path, [40], FPS) * 100
    text = Text(subtitles=(Subtitles(cues=(cue(160_000, 161_000, "late"),)),))
    stitch(segments, tmp_path / "video.mp4", text)
    assert subtitles(tmp_path / "video.mp4")[0][1] == [(160_000, 161_000, "late")]
    assert_exact(tmp_path / "video.mp4", 4000, FPS)


KEYS = (
    "title artist album album_artist composer comment description synopsis genre date copyright keywords show "
    "episode_id network grouping lyrics"
)


@pytest.mark.parametrize(
    ("suffix", "keys"),
    [
        (".mp4", KEYS),
        (".m4v", KEYS),
        (".mov", "title artist album comment genre date copyright"),
        (".mkv", KEYS + " mood director x_y9"),
    ],
)
def test_all_accepted_metadata_is_in_the_file(suffix: str, keys: str, segments: list[Path], tmp_path: Path) -> None:
    wanted = {key: f"the {key}" for key in keys.split()}
    stitch(segments, tmp_path / f"video{suffix}", Text(metadata=wanted))
    found = metadata(tmp_path / f"video{suffix}")
    assert {key: found.get(key) for key in wanted} == wanted


def test_parts_with_text_are_joined(segments: list[Path], tmp_path: Path) -> None:
    for name, part in (("a", segments[:1]), ("b", segments[1:])):
        stitch(part, tmp_path / f"{name}.mp4", TEXT.within(Fraction(0), Fraction(1, 2)))
    stitch([tmp_path / "a.mp4", tmp_path / "b.mp4"], tmp_path / "video.mp4", None)
    assert_exact(tmp_path / "video.mp4", FRAMES, FPS)


def test_text_that_the_container_can_not_hold_is_refused(segments: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.ts can't hold subtitles"):
        stitch(segments, tmp_path / "video.ts", TEXT)
    assert not (tmp_path / "video.ts").exists()


H264 = Format("h264", 64, 48, "yuv420p", Fraction(1, 24_000), b"")


def test_the_arguments_of_ffmpeg() -> None:
    tags = Tags((("subtitles-0.srt", "eng"), ("subtitles-1.srt", None)), "mov_text")
    assert concat_arguments(".mov", H264, None, "audio.mka", tags) == (
        "-f", "concat", "-i", "list.txt", "-i", "audio.mka",
        "-i", "subtitles-0.srt", "-i", "subtitles-1.srt", "-f", "ffmetadata", "-i", "tags.txt",
        "-map", "0:v", "-map", "1:a", "-c", "copy",
        "-map", "2:s", "-metadata:s:s:0", "language=eng", "-map", "3:s", "-c:s", "mov_text",
        "-map_metadata", "4", "-map_chapters", "4",
        "-video_track_timescale", "24000", "-movflags", "+faststart",
    )  # fmt: skip
    assert Tags((), "subrip").outputs(1) == ["-map_metadata", "1", "-map_chapters", "1"]


def test_the_files_that_ffmpeg_reads(tmp_path: Path) -> None:
    tags = write_tags(TEXT, tmp_path, ".webm", FRAMES / FPS)
    assert tags == Tags((("subtitles-0.vtt", "eng"), ("subtitles-1.vtt", "deu"), ("subtitles-2.vtt", None)), "copy")
    assert (tmp_path / "subtitles-0.vtt").read_text("utf-8") == (
        "WEBVTT\n\n00:00:00.100 --> 00:00:00.500\n<i>Hello</i>\na &lt; b &amp; {c}\n"
        "\n00:00:00.500 --> 00:00:01.200\n42\n"
    )
    text = Text(metadata={"title": "a=b\nc"}, chapters=TEXT.chapters)
    assert format_ffmetadata(text, 2002) == (
        ";FFMETADATA1\ntitle=a\\=b\\\nc\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=501\ntitle=One\\; \\= \\#\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=501\nEND=2002\ntitle=שתיים\n"
    )
