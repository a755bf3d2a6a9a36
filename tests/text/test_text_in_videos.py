"""Videos with metadata, chapters and subtitles."""

import subprocess
import sys
from pathlib import Path

import pytest

import helios
from support.tags import chapters, metadata, subtitles
from support.videos import frame_pixels

PAGE = "<!doctype html><style>@keyframes k{to{margin-left:9px}}p{animation:k 1s}</style><p>a</p>"
SRT = "1\n00:00:00,200 --> 00:00:00,400\nHello\n\n2\n00:00:00,600 --> 00:00:30,000\nyou\n\n3\n00:01:00,000 --> 00:02:00,000\nlate\n"
CHAPTERS = "0:00 One\n0:00.600 Two\n"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "video.srt").write_text(SRT)
    (tmp_path / "chapters.txt").write_text(CHAPTERS)
    (tmp_path / "page.html").write_text(PAGE)
    return tmp_path / "page.html"


def render(page: Path, output: Path, **more: object) -> tuple[helios.RenderResult, list[str]]:
    events: list[helios.RenderEvent] = []
    options = {"width": 96, "height": 54, "fps": 25, "frames": 25, "workers": 2, "preset": "ultrafast", **more}
    video = helios.render_sync(page, output, on_event=events.append, **options)  # type: ignore[arg-type]
    return video, [event.message for event in events if event.event == "warning-issued"]


def test_text_in_the_file_renders_no_frame_again_and_follows_the_range(page: Path, tmp_path: Path) -> None:
    silent, _ = render(page, tmp_path / "silent.mp4", chunk_frames=5)
    text = {
        "metadata": {"title": "Hello"},
        "chapters": page.with_name("chapters.txt"),
        "subtitles": [str(page.with_name("video.srt"))],
    }
    video, warned = render(page, tmp_path / "video.mp4", chunk_frames=5, **text)
    assert (video.hashes, video.attempts) == (silent.hashes, 0)
    assert metadata(tmp_path / "video.mp4")["title"] == "Hello"
    assert chapters(tmp_path / "video.mp4") == [(0, 600, "One"), (600, 1000, "Two")]
    assert subtitles(tmp_path / "video.mp4") == [("und", [(200, 400, "Hello"), (600, 1000, "you")])]
    assert warned == ["1 of 3 subtitles start after the video's end at 1 s, and are left out"]
    part, _ = render(page, tmp_path / "part.mkv", chunk_frames=5, frame_range="10:25", **text)
    assert part.attempts == 0
    assert chapters(tmp_path / "part.mkv") == [(0, 200, "One"), (200, 600, "Two")]
    assert subtitles(tmp_path / "part.mkv") == [(None, [(200, 600, "you")])]


def test_burned_subtitles_show_from_their_first_frame_to_their_last(page: Path, tmp_path: Path) -> None:
    plain, _ = render(page, tmp_path / "plain.mp4", chunk_frames=25)
    burned = [f"{page.with_name('video.srt')},burn"]
    one, warned = render(page, tmp_path / "one.mp4", chunk_frames=25, subtitles=burned)
    three, _ = render(page, tmp_path / "three.mp4", chunk_frames=9, subtitles=burned)
    assert one.hashes == three.hashes
    shown = [k for k in range(25) if one.hashes[k] != plain.hashes[k]]
    assert shown == [*range(5, 10), *range(15, 25)]
    assert subtitles(tmp_path / "one.mp4") == []
    assert warned == ["1 of 3 subtitles start after the video's end at 1 s, and are left out"]
    assert frame_pixels(tmp_path / "one.mp4", 6)[40:].min() < 80 < frame_pixels(tmp_path / "plain.mp4", 6)[40:].min()


def test_a_job_file_contains_all_text(page: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "helios", "render", "page.html", "-o", "video.webm", "--codec", "vp9", "--frames", "5",
               "--fps", "5", "--width", "64", "--height", "48", "--metadata", "title=a=b", "--metadata", "artist=Ada",
               "--chapters", "chapters.txt", "--subtitles", "video.srt,language=en", "--subtitles", "video.srt,burn",
               "--emit-job", "job.json"]  # fmt: skip
    subprocess.run(command, cwd=tmp_path, check=True)
    page.with_name("chapters.txt").unlink()
    page.with_name("video.srt").unlink()
    subprocess.run([sys.executable, "-m", "helios", "job", "run", "job.json", "--quiet"], cwd=tmp_path, check=True)
    found = metadata(tmp_path / "video.webm")
    assert (found["title"], found["artist"]) == ("a=b", "Ada")
    assert chapters(tmp_path / "video.webm") == [(0, 600, "One"), (600, 1000, "Two")]
    assert subtitles(tmp_path / "video.webm") == [("eng", [(200, 400, "Hello"), (600, 1000, "you")])]
    assert frame_pixels(tmp_path / "video.webm", 1)[36:].min() < 80


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--metadata", "title"], "--metadata title: it is KEY=VALUE"),
        (["--metadata", "mood=good"], ".mp4 can't hold metadata mood: it takes title, artist"),
        (["--chapters", "none.txt"], "none.txt can't be read: No such file"),
        (["--chapters", "video.srt"], "video.srt:1: '1' is not a chapter such as 1:02.500 Title"),
        (["--subtitles", "page.html"], "page.html has no subtitles"),
        (["--subtitles", "video.srt", "-o", "a.ts"], ".ts can't hold subtitles"),
        (["--chapters", "chapters.txt", "-o", "a.ts"], ".ts can't hold chapters"),
        (["--subtitles", "video.srt,bold"], "video.srt,bold can't be read: No such file"),
    ],
)
def test_wrong_text_is_refused_before_rendering(options: list[str], message: str, page: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "helios", "render", str(page), "--frames", "5", *options]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 2, finished.stderr
    assert message in finished.stderr
    assert len(finished.stderr.splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"page.html", "video.srt", "chapters.txt"}
