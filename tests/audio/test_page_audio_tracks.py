"""Videos with audio tracks: mixed while the chunks render, muxed at the join."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

import helios
from helios.audio.mix import nearest_sample
from helios.jobs import JobSpec
from support.audio_files import clicks, loudest_sample, read_samples, tone, write_audio
from support.videos import assert_exact

PAGE = "<!doctype html><p id=p>a</p><script>helios.seek = (s) => (p.textContent = s.toFixed(3))</script>"
FPS = Fraction(24000, 1001)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.html"
    path.write_text(PAGE)
    return path


def render(page: Path, output: Path, **more: object) -> helios.RenderResult:
    options = {
        "width": 64,
        "height": 48,
        "fps": str(FPS),
        "frames": 35,
        "chunk_frames": 5,
        "preset": "ultrafast",
        **more,
    }
    return helios.render_sync(page, output, **options)  # type: ignore[arg-type]


def test_other_audio_renders_no_frame_again_and_matches_its_frames(page: Path, tmp_path: Path) -> None:
    at = [nearest_sample(frame, FPS) for frame in (4, 5, 20, 30)]
    track = str(write_audio(tmp_path / "clicks.wav", clicks(100_000, at)))
    silent = render(page, tmp_path / "silent.mp4", workers=2)
    events: list[helios.RenderEvent] = []
    video = render(page, tmp_path / "video.mp4", workers=2, audio=[track], on_event=events.append)
    assert (video.hashes, video.cached_chunks, video.attempts) == (silent.hashes, 7, 0)
    found = read_samples(tmp_path / "video.mp4")
    assert [loudest_sample(found, click) for click in at] == pytest.approx(at, abs=1)
    assert_exact(tmp_path / "video.mp4", 35, FPS)
    other = str(write_audio(tmp_path / "tone.wav", tone(0.5)))
    louder = render(page, tmp_path / "video.mov", workers=2, audio=[f"{track}@0", f"{other}@0.5"], audio_codec="pcm")
    assert (louder.hashes, louder.cached_chunks) == (silent.hashes, 7)
    assert len(read_samples(tmp_path / "video.mov")) == nearest_sample(35, FPS)
    part = render(page, tmp_path / "part.mov", audio=[track], audio_codec="pcm", frame_range="4:20")
    assert part.frames == 16
    assert [
        loudest_sample(read_samples(tmp_path / "part.mov"), 0),
        loudest_sample(read_samples(tmp_path / "part.mov"), at[1] - at[0]),
    ] == [
        0,
        at[1] - at[0],
    ]


def test_a_job_file_finds_audio_beside_it(page: Path, tmp_path: Path) -> None:
    write_audio(tmp_path / "silence-and-tone.wav", tone(0.2))
    command = [sys.executable, "-m", "helios", "render", str(page), "-o", "video.mp4", "--frames", "5", "--width", "64",
               "--height", "48", "--audio", "silence-and-tone.wav@0.05", "--emit-job", "job.json"]  # fmt: skip
    subprocess.run(command, cwd=tmp_path, check=True)
    job = json.loads((tmp_path / "job.json").read_text())
    job["audio"]["tracks"][0]["source"] = "silence-and-tone.wav"
    (tmp_path / "job.json").write_text(json.dumps(job))
    audio = JobSpec.read(tmp_path / "job.json").audio
    assert audio
    assert audio.tracks[0].source == str(tmp_path / "silence-and-tone.wav")
    subprocess.run([sys.executable, "-m", "helios", "job", "run", "job.json", "--quiet"], cwd=tmp_path, check=True)
    assert abs(read_samples(tmp_path / "video.mp4")).max() > 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--audio", "page.html"], "page.html can't be read as audio"),
        (["--audio", "none.mp3"], "none.mp3: no such file"),
        (["--audio", "a.wav,volume=x"], "volume"),
        (["--audio", "a.wav", "--audio-codec", "opus", "-o", "a.mov"], ".mov files can't hold opus audio"),
        (["--audio", "a.wav", "--audio-codec", "mp3"], "audio_codec must be aac, opus, pcm or None"),
        (["--audio", "a.wav", "--loudness", "3"], "loudness must be from -70 to -5 LUFS"),
    ],
)
def test_unusable_audio_is_refused_before_rendering(
    options: list[str], message: str, page: Path, tmp_path: Path
) -> None:
    write_audio(tmp_path / "a.wav", tone(0.1))
    command = [sys.executable, "-m", "helios", "render", str(page), "--frames", "5", *options]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert message in finished.stderr
    assert len(finished.stderr.splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"page.html", "a.wav"}
