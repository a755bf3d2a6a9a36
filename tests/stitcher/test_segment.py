"""Segments are read exactly, and other files are refused by name."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from helios.errors import StitchError
from helios.stitcher.segment import Format, read_segment
from support.segments import make_segment

FORMAT = Format("h264", 64, 48, "yuv420p", Fraction(1, 10_000), b"setup")


@pytest.mark.parametrize("frames", [1, 2, 3, 10])
@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(30)])
def test_a_segments_times_and_duration_are_exact(frames: int, fps: Fraction, tmp_path: Path) -> None:
    path = make_segment(tmp_path / "a.mp4", frames, fps)
    segment = read_segment(path)
    assert segment.path == path
    assert segment.times == tuple(k / fps for k in range(frames))
    assert segment.duration == frames / fps


def test_a_segments_format_is_read(tmp_path: Path) -> None:
    found = read_segment(make_segment(tmp_path / "a.mp4", 3)).format
    assert replace(found, setup=b"setup") == FORMAT
    assert found.setup.startswith(b"\x01"), "an avcC box"


def test_the_set_up_does_not_depend_on_the_images_or_their_count(tmp_path: Path) -> None:
    one = read_segment(make_segment(tmp_path / "a.mp4", 1))
    other = read_segment(make_segment(tmp_path / "b.mp4", 20, first=30))
    assert one.format == other.format


def test_a_segment_with_reordered_frames_is_decoded_ahead(tmp_path: Path) -> None:
    assert read_segment(make_segment(tmp_path / "a.mp4", 10)).delay == Fraction(2, 25)
    assert read_segment(make_segment(tmp_path / "b.mp4", 10, options={"bf": "0"})).delay == 0


@pytest.mark.parametrize("name", ["missing.mp4", "folder"])
def test_a_missing_segment_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StitchError, match=f"{name} is missing"):
        read_segment(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"some text\n", b"\0" * 4096])
def test_a_file_that_is_not_a_video_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(StitchError, match=r"a\.mp4 can't be read"):
        read_segment(path)


@pytest.mark.parametrize("muxing", [{}, {"movflags": "+faststart"}])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_truncated_segment_is_refused(muxing: dict[str, str], part: float, tmp_path: Path) -> None:
    path = make_segment(tmp_path / "cut.mp4", 40, options={"g": "4"}, muxing=muxing)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(StitchError, match=r"cut\.mp4"):
        read_segment(path)


def test_a_file_with_audio_only_has_no_video(tmp_path: Path) -> None:
    path = tmp_path / "audio.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48_000
        container.mux([*stream.encode(frame), *stream.encode(None)])  # pyright: ignore[reportArgumentType, reportCallIssue]
    with pytest.raises(StitchError, match=r"audio\.mp4 has no video"):
        read_segment(path)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (FORMAT, None),
        (replace(FORMAT, codec="hevc"), "its codec is hevc, not h264"),
        (replace(FORMAT, width=32), "its size is 32x48, not 64x48"),
        (replace(FORMAT, height=32), "its size is 64x32, not 64x48"),
        (replace(FORMAT, pixel_format="yuv444p"), "its pixel format is yuv444p, not yuv420p"),
        (replace(FORMAT, time_base=Fraction(1, 24_000)), "its time base is 1/24000, not 1/10000"),
        (replace(FORMAT, setup=b""), "it was encoded with other settings (its h264 set-up differs)"),
    ],
)
def test_the_difference_of_formats_is_described(other: Format, message: str | None) -> None:
    assert FORMAT.difference(other) == message
