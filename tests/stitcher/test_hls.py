"""A stream contains each finished frame, at its time, while other frames are still rendered."""

import shutil
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import pytest

import helios
from helios.audio import AudioSettings, Track
from helios.audio.mix import mix, nearest_sample
from helios.composition import timescale
from helios.errors import OutputError, StitchError
from helios.orchestrator import ChunkFinished, PlaylistUpdated, RenderEvent, RenderFinished
from helios.stitcher.hls import PLAYLIST, HlsStream
from support.audio_files import clicks, loudest_sample, read_samples, write_audio
from support.segments import make_video

FPS_23_976 = Fraction(24000, 1001)
LENGTHS = [60, 50, 70]
PAGE = """<!doctype html><meta name="helios" content="width=64, height=48, fps=25, duration=9">
<style>body{margin:0}p{width:9px;height:9px;background:red;animation:k 9s linear}@keyframes k{to{margin-left:55px}}</style>
<p></p>"""


def pieces(folder: Path) -> list[str]:
    lines = (folder / PLAYLIST).read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def played(folder: Path) -> list[Fraction]:
    """Returns the times of the frames in the playlist's pieces."""
    data = b"".join((folder / name).read_bytes() for name in ["init.mp4", *pieces(folder)])
    with av.open(BytesIO(data), "r") as container:
        stream = container.streams.video[0]
        assert stream.time_base
        times = [frame.pts * stream.time_base for frame in container.decode(stream) if frame.pts is not None]
    return [time - times[0] for time in times]


def is_whole(folder: Path) -> bool:
    return "#EXT-X-ENDLIST" in (folder / PLAYLIST).read_text()


@pytest.mark.parametrize("fps", [FPS_23_976, Fraction(25)])
def test_finished_segments_are_playable_before_the_others_exist(fps: Fraction, tmp_path: Path) -> None:
    stream = HlsStream(tmp_path / "stream", timescale(fps))
    done = 0
    for number, segment in enumerate(make_video(tmp_path, LENGTHS, fps)):
        stream.add(segment)
        if number:
            times = played(tmp_path / "stream")
            assert times == [k / fps for k in range(len(times))]
            assert len(times) > done - fps / 2
            assert not is_whole(tmp_path / "stream")
        done += LENGTHS[number]
    stream.finish()
    assert played(tmp_path / "stream") == [k / fps for k in range(sum(LENGTHS))]
    assert is_whole(tmp_path / "stream")


def test_audio_comes_with_its_frames(tmp_path: Path) -> None:
    frames = sum(LENGTHS)
    at = [nearest_sample(frame, FPS_23_976) for frame in range(5, frames, 20)]
    source = write_audio(tmp_path / "clicks.wav", clicks(nearest_sample(frames, FPS_23_976), at))
    file = mix(
        AudioSettings(tracks=(Track(source=str(source)),)),
        range(frames),
        frames,
        FPS_23_976,
        tmp_path / "audio",
        ".mp4",
    ).path
    stream = HlsStream(tmp_path / "stream", timescale(FPS_23_976), file)
    for segment in make_video(tmp_path, LENGTHS, FPS_23_976):
        stream.add(segment)
    stream.finish()
    folder = tmp_path / "stream"
    whole = tmp_path / "whole.mp4"
    whole.write_bytes(b"".join((folder / name).read_bytes() for name in ["init.mp4", *pieces(folder)]))
    found = read_samples(whole)
    assert [loudest_sample(found, click) for click in at] == pytest.approx(at, abs=1)


def test_a_new_stream_replaces_an_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "stream"
    for lengths in (LENGTHS, [30]):
        stream = HlsStream(folder, timescale(FPS_23_976))
        for segment in make_video(tmp_path, lengths, FPS_23_976):
            stream.add(segment)
        stream.finish()
    assert sorted(path.name for path in folder.iterdir()) == sorted([PLAYLIST, "init.mp4", *pieces(folder)])
    assert len(played(folder)) == 30


def test_segments_that_can_not_be_streamed_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match=r"the stream in .*file can't be written"):
        HlsStream(tmp_path / "file", timescale(FPS_23_976))
    stream = HlsStream(tmp_path / "stream", timescale(FPS_23_976))
    (tmp_path / "broken.mp4").write_text("no segment")
    with pytest.raises(StitchError, match="can't be read"):
        stream.add(tmp_path / "broken.mp4")
    stream.abandon()


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page" / "page.html"
    path.parent.mkdir()
    path.write_text(PAGE)
    return path


def test_a_video_is_playable_during_rendering(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stream"
    finished: list[int] = []
    seen: list[tuple[int, int, int]] = []

    def look(event: RenderEvent) -> None:
        if isinstance(event, ChunkFinished):
            finished.append(event.chunk)
        if isinstance(event, PlaylistUpdated) and not is_whole(folder):
            seen.append((event.frames, len(played(folder)), len(finished)))

    video = helios.render_sync(page, tmp_path / "video.mp4", hls=folder, workers=1, on_event=look)
    assert video.frames == 225
    assert [frames for frames, _, _ in seen] == [75, 150]
    assert all(there > frames - 12.5 for frames, there, _ in seen)
    assert seen[0][2] < 3, "the first could be played before the last was drawn"
    assert played(folder) == [k / Fraction(25) for k in range(225)]
    again: list[RenderEvent] = []
    cached = helios.render_sync(page, tmp_path / "video.mp4", hls=folder, workers=1, on_event=again.append)
    assert (cached.cached_chunks, cached.attempts) == (3, 0)
    assert len(played(folder)) == 225
    assert isinstance(again[-1], RenderFinished)


@pytest.mark.parametrize("options", [{"codec": "vp9"}, {"format": "gif"}, {"format": "mov", "codec": "prores"}])
def test_only_codecs_that_players_support_are_streamed(options: dict[str, str], page: Path, tmp_path: Path) -> None:
    with pytest.raises(helios.UsageError, match="HLS supports h264, h265 and av1 only"):
        helios.render_sync(page, tmp_path / "video", hls=tmp_path / "stream", **({"format": "mp4"} | options))  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["page"]


def test_a_stream_that_can_not_be_written_does_not_fail_the_video(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stream"
    printed: list[str] = []

    def break_it(event: RenderEvent) -> None:
        if isinstance(event, ChunkFinished) and event.chunk == 0:
            shutil.rmtree(folder)
            folder.write_text("not a folder any more")
        if event.event == "warning-issued":
            printed.append(event.message)

    video = helios.render_sync(page, tmp_path / "video.mp4", hls=folder, frames=100, workers=1, on_event=break_it)
    assert video.frames == 100
    assert any("can't be played before it is finished" in message for message in printed)
