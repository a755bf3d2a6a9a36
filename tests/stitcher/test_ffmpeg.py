"""Segments are joined exactly or not at all."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios.adapters import LocalWorkerAdapter
from helios.errors import OutputError, StitchError, UsageError
from helios.stitcher import FfmpegStitcher
from helios.stitcher.binary import find_ffmpeg
from helios.stitcher.command import concat_script
from helios.stitcher.ffmpeg import concat_arguments, steady_decoding
from helios.stitcher.segment import Format, Segment, read_segment
from support.processes import descendants, wait_until
from support.segments import decoding_times, frame_numbers, make_segment, make_video, read_duration
from support.videos import assert_exact, frame_times

FPS_23_976 = Fraction(24000, 1001)
MIXED = [1, 2, 3, 7, 1, 12]


def stitch(inputs: Sequence[Path], output: Path) -> None:
    asyncio.run(FfmpegStitcher(LocalWorkerAdapter()).stitch(inputs, output))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for the output."""
    path = tmp_path / "output"
    path.mkdir()
    return path


@pytest.fixture
def existing(folder: Path) -> Iterator[Path]:
    """An existing video, which must be unchanged and alone in its folder after the test."""
    path = folder / "video.mp4"
    path.write_bytes(b"of before")
    yield path
    assert list(folder.iterdir()) == [path]
    assert path.read_bytes() == b"of before"


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    """Two segments of 3 frames that fit together, at 25 fps."""
    return make_video(tmp_path, [3, 3], Fraction(25))


def fake_ffmpeg(path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the stitcher run a shell script in place of ffmpeg; $real is ffmpeg and $last the output."""
    path.write_text(f"#!/bin/sh\nPATH={os.defpath}; real={find_ffmpeg()}; for last; do :; done\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("HELIOS_FFMPEG", str(path))


@pytest.mark.parametrize(
    ("lengths", "fps"),
    [
        *((MIXED, fps) for fps in (FPS_23_976, Fraction(25), Fraction(30), Fraction(60), Fraction(30000, 1001))),
        *(
            (lengths, FPS_23_976)
            for lengths in ([1] * 5, [2] * 4, [3] * 4, [2, 3, 3], [3, 2, 2], [13, 12], [12, 12, 1])
        ),
        *(
            ([2, 3, 3], Fraction(number))
            for number in ("1", "0.5", "1000", "12.5", "120000/1001", "1000000/33333", "998999/1000")
        ),
    ],
)
def test_every_frame_appears_once_and_on_time(lengths: list[int], fps: Fraction, tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    stitch(make_video(tmp_path, lengths, fps), video)
    count = sum(lengths)
    assert_exact(video, count, fps)
    assert frame_numbers(video) == list(range(count))
    assert read_duration(video) == count / fps
    steps = {later - earlier for earlier, later in pairwise(decoding_times(video))}
    assert steps == {1 / fps}


def test_the_segments_have_reordered_frames(tmp_path: Path) -> None:
    (path,) = make_video(tmp_path, [12], FPS_23_976)
    assert read_segment(path).delay > 0, "else the tests here would say nothing of them"


def test_one_segment_alone_is_a_video(tmp_path: Path) -> None:
    stitch(make_video(tmp_path, [5], FPS_23_976), tmp_path / "video.mp4")
    assert_exact(tmp_path / "video.mp4", 5, FPS_23_976)


def test_a_video_of_videos_is_exact(tmp_path: Path) -> None:
    segments = make_video(tmp_path, [3, 4, 2, 5], FPS_23_976)
    stitch(segments[:2], tmp_path / "a.mp4")
    stitch(segments[2:], tmp_path / "b.mp4")
    stitch([tmp_path / "a.mp4", tmp_path / "b.mp4"], tmp_path / "video.mp4")
    assert_exact(tmp_path / "video.mp4", 14, FPS_23_976)
    assert frame_numbers(tmp_path / "video.mp4") == list(range(14))


def test_the_same_segment_may_come_twice(pair: list[Path], folder: Path) -> None:
    stitch([pair[1], pair[0], pair[1]], folder / "video.mp4")
    assert frame_numbers(folder / "video.mp4") == [3, 4, 5, 0, 1, 2, 3, 4, 5]
    assert_exact(folder / "video.mp4", 9, Fraction(25))


def test_thousands_of_segments_are_joined_exactly(tmp_path: Path) -> None:
    fps = Fraction(30000, 1001)
    distinct = make_video(tmp_path, [2, 3, 4, 3], fps)
    inputs = [tmp_path / f"segment-{number}.mp4" for number in range(2000)]
    for number, path in enumerate(inputs):
        path.symlink_to(distinct[number % 4])
    stitch(inputs, tmp_path / "video.mp4")
    video = read_segment(tmp_path / "video.mp4")
    assert video.times == tuple(k / fps for k in range(6000))
    assert read_duration(tmp_path / "video.mp4") == 6000 / fps


@pytest.mark.parametrize("suffix", [".mov", ".m4v", ".MP4"])
@pytest.mark.parametrize("lengths", [MIXED, [5, 5]])
def test_mp4_and_quicktime_are_exact(suffix: str, lengths: list[int], tmp_path: Path) -> None:
    video = tmp_path / f"video{suffix}"
    stitch(make_video(tmp_path, lengths, FPS_23_976), video)
    assert_exact(video, sum(lengths), FPS_23_976)


@pytest.mark.parametrize(("suffix", "tick"), [(".mkv", Fraction(1, 1000)), (".ts", Fraction(1, 90_000))])
@pytest.mark.parametrize("lengths", [MIXED, [5, 5]])
def test_containers_with_their_own_time_base_round_to_the_nearest(
    suffix: str, tick: Fraction, lengths: list[int], tmp_path: Path
) -> None:
    video = tmp_path / f"video{suffix}"
    stitch(make_video(tmp_path, lengths, FPS_23_976), video)
    times = frame_times(video)
    assert len(times) == sum(lengths)
    start = times[0] if suffix == ".ts" else 0
    assert max(abs(time - start - k / FPS_23_976) for k, time in enumerate(times)) <= tick / 2
    assert frame_numbers(video) == list(range(sum(lengths)))


@pytest.mark.parametrize(
    ("codec", "pixel_format", "inputs", "suffix"),
    [
        ("libvpx-vp9", "yuv420p", ".mp4", ".webm"),
        ("libx265", "yuv420p", ".mp4", ".mp4"),
        ("prores_ks", "yuv422p10le", ".mov", ".mov"),
    ],
)
def test_other_codecs_are_joined(codec: str, pixel_format: str, inputs: str, suffix: str, tmp_path: Path) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    segments = [
        make_segment(
            tmp_path / f"{k}{inputs}",
            4,
            FPS_23_976,
            first=4 * k,
            codec=codec,
            pixel_format=pixel_format,
            options=options,
        )
        for k in range(3)
    ]
    video = tmp_path / f"video{suffix}"
    stitch(segments, video)
    assert frame_numbers(video) == list(range(12))


NAMES = [
    "a b",
    "it's",
    '"q"',
    "two\nlines",
    "ünï-日本",
    "-i",
    "%d",
    "%06d",
    "a:b",
    "#",
    "\\",
    "file 'x'",
    "[1]*?",
    "...",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_may_be_anything(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / f"in {name}"
    folder.mkdir()
    monkeypatch.chdir(folder)
    first = make_segment(folder / "0.mp4", 2).rename(folder / f"{name}.mp4")
    second = make_segment(folder / "1.mp4", 2, first=2).rename(folder / f"x.{name}")
    stitch([Path(f"{name}.mp4"), second], Path(f"{name}.video.mp4"))
    assert frame_numbers(folder / f"{name}.video.mp4") == [0, 1, 2, 3]
    assert set(folder.iterdir()) == {first, second, folder / f"{name}.video.mp4"}


def test_the_output_appears_complete_and_alone(pair: list[Path], folder: Path) -> None:
    video = folder / "video.mp4"
    video.write_bytes(b"of before")
    stitch(pair, video)
    assert_exact(video, 6, Fraction(25))
    assert list(folder.iterdir()) == [video]


def test_inputs_are_unchanged(pair: list[Path], folder: Path) -> None:
    before = [path.read_bytes() for path in pair]
    stitch(pair, folder / "video.mp4")
    assert [path.read_bytes() for path in pair] == before


def test_the_output_may_be_one_of_the_inputs(pair: list[Path]) -> None:
    stitch(pair, pair[0])
    assert frame_numbers(pair[0]) == list(range(6))


def test_no_segments_is_an_error(existing: Path) -> None:
    with pytest.raises(StitchError, match="there are no segments to join"):
        stitch([], existing)


def test_a_missing_segment_is_refused(pair: list[Path], existing: Path) -> None:
    pair[1].unlink()
    with pytest.raises(StitchError, match=r"1\.mp4 is missing"):
        stitch(pair, existing)


def test_a_truncated_segment_is_refused(pair: list[Path], existing: Path) -> None:
    pair[1].write_bytes(pair[1].read_bytes()[:-200])
    with pytest.raises(StitchError, match=r"1\.mp4"):
        stitch(pair, existing)


def test_a_text_file_is_not_a_segment(pair: list[Path], existing: Path) -> None:
    pair[0].write_text("this is no video\n")
    with pytest.raises(StitchError, match=r"0\.mp4 can't be read"):
        stitch(pair, existing)


@pytest.mark.parametrize(
    ("unlike", "message"),
    [
        ({"codec": "mpeg4"}, "its codec is mpeg4, not h264"),
        ({"size": (32, 48)}, "its size is 32x48, not 64x48"),
        ({"pixel_format": "yuv444p"}, "its pixel format is yuv444p, not yuv420p"),
        ({"fps": Fraction(30)}, "its time base is 1/10020, not 1/10000"),
        ({"options": {"bf": "0"}}, "it was encoded with other settings"),
    ],
)
def test_the_segment_that_differs_is_named_with_the_difference(
    unlike: dict[str, str], message: str, pair: list[Path], existing: Path
) -> None:
    odd = make_segment(pair[0].with_name("odd.mp4"), 3, **unlike)  # pyright: ignore[reportArgumentType]
    with pytest.raises(StitchError) as caught:
        stitch([*pair, odd, *pair], existing)
    assert f"{odd} does not match {pair[0]}: {message}" in str(caught.value)


def test_a_codec_that_the_container_can_not_hold_is_refused(pair: list[Path], folder: Path) -> None:
    with pytest.raises(StitchError, match="could not join"):
        stitch(pair, folder / "video.webm")
    assert list(folder.iterdir()) == []


def test_a_missing_output_folder_is_refused(pair: list[Path], folder: Path) -> None:
    with pytest.raises(OutputError, match="none"):
        stitch(pair, folder / "none" / "video.mp4")
    assert list(folder.iterdir()) == []


def test_an_output_that_is_a_folder_is_refused(pair: list[Path], folder: Path) -> None:
    (folder / "video.mp4").mkdir()
    with pytest.raises(OutputError, match=r"video\.mp4"):
        stitch(pair, folder / "video.mp4")
    assert list(folder.iterdir()) == [folder / "video.mp4"]


@pytest.mark.parametrize("name", ["video.doc", "video", "mp4", ".mp4"])
def test_an_unknown_container_is_refused(name: str, pair: list[Path], folder: Path) -> None:
    with pytest.raises(UsageError, match=r"must end in \.mp4, \.m4v, \.mov, \.mkv, \.webm"):
        stitch(pair, folder / name)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('cp 000000 "$last"', "has 3 frames instead of 6"),
        ('exec "$real" -itsscale 2 "$@"', r"frame 1 of the joined video is at 0\.08 s instead of 0\.04 s"),
        ("echo why >&2; exit 3", r"exit code 3\): why"),
        ('head -c 300 000000 > "$last"', "can't be read"),
        ("true", "is missing"),
        ('cp 000000 "$last"; kill -9 $$', "exit code -9"),
    ],
)
def test_an_inexact_join_is_discarded(
    script: str, message: str, pair: list[Path], existing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ffmpeg(tmp_path / "tool", script, monkeypatch)
    with pytest.raises(StitchError, match=message):
        stitch(pair, existing)


def test_a_full_disk_is_reported(
    pair: list[Path], existing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ffmpeg(tmp_path / "tool", "echo 'av_write_frame(): No space left on device' >&2; exit 1", monkeypatch)
    with pytest.raises(OutputError, match="disk is full"):
        stitch(pair, existing)


def test_a_cancelled_stitch_leaves_nothing(
    pair: list[Path], existing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ffmpeg(tmp_path / "tool", f': > "$last"; mkfifo {tmp_path}/gate; read x < {tmp_path}/gate', monkeypatch)

    async def main() -> None:
        task = asyncio.create_task(FfmpegStitcher(LocalWorkerAdapter()).stitch(pair, existing))
        await asyncio.to_thread(wait_until, (tmp_path / "gate").exists, "ffmpeg to run")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    wait_until(lambda: not descendants(os.getpid()), "ffmpeg to end")


def test_the_script_for_ffmpeg() -> None:
    thirds = [Fraction(1, 3), Fraction(4, 3), Fraction(2, 3), Fraction(60)]
    assert concat_script(["000000", "000001", "000002", "000003"], thirds) == (
        "ffconcat version 1.0\n"
        "file 000000\nduration 0.333333\n"
        "file 000001\nduration 1.333334\n"
        "file 000002\nduration 0.666666\n"
        "file 000003\nduration 60.000000\n"
    )


rates = st.sampled_from(
    [FPS_23_976, Fraction(30000, 1001), Fraction(60000, 1001), Fraction(30), Fraction(7), Fraction(999)]
)


@given(rates, st.lists(st.integers(1, 100_000), min_size=1, max_size=200))
def test_no_start_in_the_script_is_off_by_more_than_half_a_microsecond(fps: Fraction, lengths: list[int]) -> None:
    script = concat_script(["x"] * len(lengths), [length / fps for length in lengths])
    durations = [
        Fraction(line.removeprefix("duration ")) for line in script.splitlines() if line.startswith("duration ")
    ]
    assert len(durations) == len(lengths)
    for number in range(1, len(lengths) + 1):
        assert abs(sum(durations[:number]) - sum(lengths[:number]) / fps) <= Fraction(1, 2_000_000)


def test_the_arguments_for_ffmpeg() -> None:
    base = ("-f", "concat", "-i", "list.txt", "-map", "0", "-c", "copy")
    kind = Format("h264", 64, 48, "yuv420p", Fraction(1, 24_000), b"")
    mov = ("-video_track_timescale", "24000", "-movflags", "+faststart")
    assert concat_arguments(".mp4", kind) == (*base, *mov)
    assert concat_arguments(".mkv", kind, "setts") == base
    assert concat_arguments(".mov", kind, "setts") == (*base, "-bsf:v", "setts", *mov)
    assert concat_arguments(".mp4", replace(kind, codec="hevc")) == (*base, "-tag:v", "hvc1", *mov)


def segment(frames: int, delay: int, frame: Fraction = 1 / FPS_23_976) -> Segment:
    kind = Format("h264", 64, 48, "yuv420p", Fraction(1, 24_000), b"")
    return Segment(Path("x"), kind, tuple(k * frame for k in range(frames)), frames * frame, delay * frame)


def test_decoding_times_that_fit_are_unchanged() -> None:
    assert steady_decoding([segment(1, 0)]) is None
    assert steady_decoding([segment(2, 0), segment(1, 0)]) is None
    assert steady_decoding([segment(9, 2), segment(3, 2)]) is None


def test_decoding_times_are_rewritten_where_delays_differ() -> None:
    wanted = "setts=pts=PTS:dts=round((N*1001/24000-1001/12000)/TB)"
    assert steady_decoding([segment(2, 0), segment(9, 2), segment(3, 1)]) == wanted


def test_decoding_times_are_unchanged_where_frame_durations_differ() -> None:
    assert steady_decoding([segment(2, 0), segment(9, 2, 2 / FPS_23_976)]) is None
