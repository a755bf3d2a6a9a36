"""Audio is exact to the sample: in every container, at every rate, from every kind of source."""

import asyncio
import resource
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from helios.adapters import LocalWorkerAdapter
from helios.audio import AudioSettings, Track, check_track, choose_audio_codec, parse_track
from helios.audio.mix import Mixed, Stopped, mix, nearest_sample
from helios.audio.source import RATE
from helios.composition import parse_rate
from helios.errors import UsageError
from helios.stitcher import FfmpegStitcher
from support.audio_files import Samples, clicks, loudest_sample, read_samples, tone, write_audio
from support.segments import make_segment, make_video

CHUNKS = [11, 7, 20, 1, 13, 9, 14]
FRAMES = sum(CHUNKS)


def mixed(folder: Path, *tracks: Track, seconds: float = 4, **more: object) -> Mixed:
    """Mixes tracks for a video of 30 frames a second, as PCM."""
    frames = range(round(seconds * 30))
    audio = AudioSettings(tracks=tracks, codec="pcm", **more)  # type: ignore[arg-type]
    return mix(audio, frames, len(frames), Fraction(30), folder / "mixed", ".mov")


def samples(folder: Path, *tracks: Track, **more: object) -> Samples:
    found = mixed(folder, *tracks, **more)  # type: ignore[arg-type]
    assert found.warnings == []
    return read_samples(found.path)


@pytest.mark.parametrize("fps", ["23.976", "25", "30", "60"])
@pytest.mark.parametrize(
    ("container", "codec"),
    [
        (".mov", "pcm"),
        (".mp4", "aac"),
        (".mkv", "opus"),
        (".mkv", "pcm"),
        (".ts", "aac"),
        (".mp4", "opus"),
    ],
)
def test_clicks_come_with_their_frames_through_seven_chunks(
    container: str, codec: str, fps: str, tmp_path: Path
) -> None:
    rate = parse_rate(fps)
    at = [nearest_sample(frame, rate) for frame in range(5, FRAMES, 10)]
    source = write_audio(tmp_path / "clicks.wav", clicks(nearest_sample(FRAMES, rate), at))
    audio = AudioSettings(tracks=(Track(source=str(source)),), codec=codec)  # type: ignore[arg-type]
    whole = range(FRAMES)
    file = mix(audio, whole, FRAMES, rate, tmp_path / "audio", container).path
    video = tmp_path / f"video{container}"
    asyncio.run(FfmpegStitcher(LocalWorkerAdapter()).stitch(make_video(tmp_path, CHUNKS, rate), video, file))
    found = read_samples(video)
    assert [loudest_sample(found, click) for click in at] == pytest.approx(at, abs=0 if codec == "pcm" else 1)
    if codec == "pcm":
        assert len(found) == nearest_sample(FRAMES, rate)
    else:
        assert 0 <= len(found) - nearest_sample(FRAMES, rate) < 1024, "but for what fills the last packet"


@pytest.mark.parametrize(("container", "codec"), [(".mov", "pcm"), (".mp4", "aac"), (".webm", "opus")])
def test_a_tone_has_no_break_anywhere(container: str, codec: str, tmp_path: Path) -> None:
    rate = Fraction(24000, 1001)
    source = write_audio(tmp_path / "tone.wav", tone(5))
    audio = AudioSettings(tracks=(Track(source=str(source)),), codec=codec)  # type: ignore[arg-type]
    file = mix(audio, range(FRAMES), FRAMES, rate, tmp_path / "audio", container).path
    kind = {"codec": "libvpx-vp9"} if container == ".webm" else {}
    parts = [make_segment(tmp_path / f"{k}.mp4", frames, rate, **kind) for k, frames in enumerate(CHUNKS)]  # type: ignore[arg-type]
    video = tmp_path / f"video{container}"
    asyncio.run(FfmpegStitcher(LocalWorkerAdapter()).stitch(parts, video, file))
    inside = read_samples(video)[2000 : nearest_sample(FRAMES, rate) - 2000, 0]
    steepest = 0.25 * (2 * np.pi * 1000 / RATE) ** 2
    assert np.abs(np.diff(inside, 2)).max() < 1.5 * steepest, "a click would be far steeper"
    assert np.sqrt(np.mean(inside**2)) == pytest.approx(0.25 / np.sqrt(2), rel=0.01)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "exact"),
    [
        ("a.wav", "pcm_s16le", 44_100, 1),
        ("a.wav", "pcm_s24le", 96_000, 1),
        ("a.flac", "flac", 22_050, 2),
        ("a.ogg", "libopus", 48_000, 2),
        ("a.mp3", "libmp3lame", 44_100, 2),
        ("a.m4a", "aac", 44_100, 2),
        ("a.mp4", "aac", 48_000, 2),
    ],
)
def test_every_kind_of_source_plays_at_its_time(name: str, codec: str, rate: int, exact: int, tmp_path: Path) -> None:
    source = clicks(2 * rate, [rate // 2, rate])
    if name == "a.mp3":  # a click is too short for it
        source = np.concatenate([np.zeros((rate // 2, 1), np.float32), tone(1.5, rate)])
    path = write_audio(tmp_path / name, source, rate, codec)
    if name == "a.mp4":
        path = video_with(path, tmp_path / "video.mp4")
    found = samples(tmp_path, Track(source=str(path), start=1))
    if name == "a.mp3":
        start = int(np.flatnonzero(np.abs(found[:, 0]) > 0.05)[0])
        assert start == pytest.approx(1.5 * RATE, abs=30)
    else:
        assert loudest_sample(found, 72_000) == pytest.approx(72_000, abs=exact)
        assert loudest_sample(found, 96_000) == pytest.approx(96_000, abs=exact)


def video_with(audio: Path, video: Path) -> Path:
    asyncio.run(
        FfmpegStitcher(LocalWorkerAdapter()).stitch([make_segment(video.with_name("video.mp4"), 50)], video, audio)
    )
    return video


def test_mono_plays_on_both_channels_and_six_channels_are_mixed_down(tmp_path: Path) -> None:
    mono = samples(tmp_path, Track(source=str(write_audio(tmp_path / "mono.wav", tone(1)))))
    assert np.abs(mono[:, 0]).max() == pytest.approx(0.25, abs=0.001)
    assert (mono[:, 0] == mono[:, 1]).all()
    surround = np.zeros((RATE, 6), np.float32)
    surround[:, [2]] = tone(1)  # the centre
    down = samples(tmp_path, Track(source=str(write_audio(tmp_path / "six.wav", surround))))
    assert np.abs(down[:, 0]).max() > 0.05
    assert np.abs(down[:, 0] - down[:, 1]).max() < 0.001


def test_start_offset_length_and_volume(tmp_path: Path) -> None:
    at = [RATE // 4, RATE // 2, RATE]
    path = str(write_audio(tmp_path / "a.wav", clicks(2 * RATE, at)))
    found = samples(tmp_path, Track(source=path, start=1.5, offset=0.4, length=0.5, volume=0.5))
    assert np.flatnonzero(np.abs(found[:, 0]) > 0.01).tolist() == [round(1.6 * RATE)]
    assert np.abs(found).max() == pytest.approx(0.45, abs=0.001)
    assert len(found) == 4 * RATE


def test_fades_are_linear(tmp_path: Path) -> None:
    steady = np.full((4 * RATE, 1), 0.5, np.float32)
    found = samples(tmp_path, Track(source=str(write_audio(tmp_path / "a.wav", steady)), fade_in=1, fade_out=2))
    for second, level in ((0, 0), (0.5, 0.25), (1, 0.5), (2, 0.5), (3, 0.25), (3.5, 0.125)):
        assert found[round(second * RATE), 0] == pytest.approx(level, abs=0.001)
    assert found[-1, 0] == pytest.approx(0, abs=0.001)


def test_a_loop_restarts_at_the_exact_sample(tmp_path: Path) -> None:
    path = str(write_audio(tmp_path / "a.wav", clicks(RATE, [100])))
    found = samples(tmp_path, Track(source=path, start=0.5, loop=True))
    assert np.flatnonzero(found[:, 0] > 0.1).tolist() == [RATE // 2 + 100 + k * RATE for k in range(4)][: len(found)]


@pytest.mark.parametrize("period", [0.4, 0.6])
def test_a_loop_with_a_period_repeats_all_of_its_source(period: float, tmp_path: Path) -> None:
    path = str(write_audio(tmp_path / "a.wav", clicks(RATE // 2, [RATE // 10])))
    found = samples(tmp_path, Track(source=path, start=1, offset=0.25, length=1, loop=True, period=period))
    expected = [round((1.1 - 0.25 + k * period) * RATE) for k in (1, 2, 3)]
    assert np.flatnonzero(found[:, 0] > 0.1).tolist() == [at for at in expected if at < 2 * RATE]


def test_an_envelope_is_linear_between_its_points_and_level_around_them(tmp_path: Path) -> None:
    path = str(write_audio(tmp_path / "a.wav", np.full((2 * RATE, 1), 0.5, np.float32)))
    found = samples(tmp_path, Track(source=path, start=0.5, envelope=((0.5, 1.0), (1.0, 0.0), (1.5, 0.5))))
    for second, level in ((0.25, 0), (0.6, 0.5), (1, 0.5), (1.25, 0.25), (1.5, 0), (1.75, 0.125), (2.4, 0.25)):
        assert found[round(second * RATE), 0] == pytest.approx(level, abs=0.001)


def test_a_broken_source_of_a_page_is_left_out(tmp_path: Path) -> None:
    good = Track(source=str(write_audio(tmp_path / "a.wav", tone(1))))
    found = mixed(tmp_path, good, Track(source=str(tmp_path / "gone.wav"), found=True))
    (warning,) = found.warnings
    assert "gone.wav: no such file: left out of the audio" in warning
    assert np.abs(read_samples(found.path)).max() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("rate", [0.4, 2.0])
def test_a_rate_changes_the_length_and_not_the_pitch(rate: float, tmp_path: Path) -> None:
    path = str(write_audio(tmp_path / "a.wav", tone(1)))
    found = samples(tmp_path, Track(source=path, rate=rate))[:, 0]
    lasts = int(np.flatnonzero(np.abs(found) > 0.01)[-1])
    assert lasts == pytest.approx(RATE / rate, abs=0.05 * RATE)
    inside = found[round(0.1 * lasts) : round(0.9 * lasts)]
    spectrum = np.abs(np.fft.rfft(inside * np.hanning(len(inside))))
    assert spectrum.argmax() * RATE / len(inside) == pytest.approx(1000, abs=15)


def test_tracks_add_up_and_clipping_is_a_warning(tmp_path: Path) -> None:
    path = str(write_audio(tmp_path / "a.wav", tone(4)))
    assert np.abs(samples(tmp_path, Track(source=path), Track(source=path))).max() == pytest.approx(0.5, abs=0.001)
    (warning,) = mixed(tmp_path, *[Track(source=path)] * 5).warnings
    assert "1.9 dB too loud" in warning


def test_a_part_of_a_video_has_the_audio_of_the_whole(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    path = str(write_audio(tmp_path / "a.wav", tone(4)))
    audio = AudioSettings(tracks=(Track(source=path, fade_out=1),), codec="pcm")
    whole = read_samples(mix(audio, range(100), 100, rate, tmp_path / "whole", ".mov").path)
    part = read_samples(mix(audio, range(31, 77), 100, rate, tmp_path / "part", ".mov").path)
    assert np.array_equal(part, whole[nearest_sample(31, rate) : nearest_sample(77, rate)])


def test_loudness_reaches_its_target(tmp_path: Path) -> None:
    path = str(write_audio(tmp_path / "a.wav", tone(4, level=0.05)))
    found = samples(tmp_path, Track(source=path), loudness=-14)
    # A sine of -18 dBFS in both channels has -18 LUFS (EBU Tech 3341), and this one is 8 dB below that.
    assert np.abs(found).max() == pytest.approx(0.05 * 10 ** ((-14 + 26.02) / 20), rel=0.02)
    quiet = str(write_audio(tmp_path / "b.wav", np.concatenate([tone(3.9, level=0.02), tone(0.1, level=0.9)])))
    (warning,) = mixed(tmp_path, Track(source=quiet), loudness=-5).warnings
    assert "louder peaks would clip" in warning


def test_silent_and_late_tracks_are_warnings(tmp_path: Path) -> None:
    silent = str(write_audio(tmp_path / "silent.wav", np.zeros((RATE, 1), np.float32)))
    (warning,) = mixed(tmp_path, Track(source=silent)).warnings
    assert "silent.wav is silent" in warning
    late = str(write_audio(tmp_path / "late.wav", tone(1)))
    (warning,) = mixed(tmp_path, Track(source=late, start=9)).warnings
    assert "late.wav is left out of the audio" in warning


def test_sources_without_audio_are_refused_by_name(tmp_path: Path) -> None:
    text = tmp_path / "words.mp3"
    text.write_text("no audio")
    mute = make_segment(tmp_path / "mute.mp4", 5)
    with pytest.raises(UsageError, match=r"words.mp3 can't be read as audio"):
        check_track(Track(source=str(text)))
    with pytest.raises(UsageError, match=r"mute.mp4 has no audio"):
        check_track(Track(source=str(mute)))
    with pytest.raises(UsageError, match=r"none.mp3: no such file"):
        check_track(Track(source=str(tmp_path / "none.mp3")))
    with pytest.raises(UsageError, match="webm files can't hold aac audio"):
        choose_audio_codec(".webm", "aac")


def test_a_mix_stops_promptly(tmp_path: Path) -> None:
    path = str(write_audio(tmp_path / "a.wav", tone(1)))
    stopped = threading.Event()
    stopped.set()
    audio = AudioSettings(tracks=(Track(source=path, loop=True),), codec="pcm")
    with pytest.raises(Stopped):
        mix(audio, range(300), 300, Fraction(30), tmp_path / "audio", ".mov", stopped)


@pytest.mark.parametrize(
    ("text", "track"),
    [
        ("a.mp3", Track(source="a.mp3")),
        ("a.mp3@2.5", Track(source="a.mp3", start=2.5)),
        ("a.mp3@2.5,volume=0.6,fade-in=1,fade-out=2,loop", Track(
            source="a.mp3", start=2.5, volume=0.6, fade_in=1, fade_out=2, loop=True)),
        ("a, b@c.mp3,offset=3,length=4,rate=1.5", Track(source="a, b@c.mp3", offset=3, length=4, rate=1.5)),
        ("a@1@2", Track(source="a@1", start=2)),
    ],
)  # fmt: skip
def test_tracks_are_parsed(text: str, track: Track) -> None:
    assert parse_track(text) == track


@pytest.mark.parametrize("text", ["a.mp3@-1", "a.mp3,volume=loud", "a.mp3,length=0", "a.mp3@inf", "a.mp3,rate=0"])
def test_an_invalid_track_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--audio a\.mp3.*FILE\[@SECONDS\]"):
        parse_track(text)


def test_a_videos_audio_is_as_long_as_its_frames(tmp_path: Path) -> None:
    path = str(write_audio(tmp_path / "a.wav", tone(1)))
    rate = Fraction(24000, 1001)
    file = mix(AudioSettings(tracks=(Track(source=path),)), range(50), 50, rate, tmp_path / "audio", ".mp4").path
    video = tmp_path / "video.mp4"
    asyncio.run(FfmpegStitcher(LocalWorkerAdapter()).stitch([make_segment(tmp_path / "v.mp4", 50, rate)], video, file))
    with av.open(str(video)) as container:
        lengths = [
            stream.duration * stream.time_base for stream in container.streams if stream.duration and stream.time_base
        ]
    assert [float(length) for length in lengths] == pytest.approx([float(50 / rate)] * 2, abs=0.001)


@pytest.fixture
def few_files() -> Iterator[None]:
    """Limits this process to some more open files: at least 20, and far below 100."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 20, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_files")
def test_there_may_be_more_tracks_than_open_files(tmp_path: Path) -> None:
    source = write_audio(tmp_path / "click.wav", clicks(480, [0]))
    starts = [k / 50 for k in range(100)]
    looped = Track(source=str(source), start=2.1, loop=True, period=0.1, length=1.0)
    found = samples(tmp_path, *(Track(source=str(source), start=start) for start in starts), looped)
    targets = [round(start * RATE) for start in starts] + [round((2.1 + k / 10) * RATE) for k in range(10)]
    assert list(np.flatnonzero(np.abs(found[:, 0]) > 0.5)) == targets
