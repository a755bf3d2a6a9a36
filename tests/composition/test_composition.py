"""What is declared makes a video, or it is said why not."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios.composition import Composition, Declared, PageSettings, Source, compose, parse_range
from helios.errors import UsageError

SOURCE = Source(root=None, entry="http://localhost/")
FILM = Fraction(24000, 1001)


def test_what_is_not_declared_is_full_hd_at_30_fps() -> None:
    video = compose(SOURCE, Declared(frames=45))
    assert (video.width, video.height, video.fps, video.frames) == (1920, 1080, 30, 45)
    assert video.duration == Fraction(3, 2)
    assert video.page.props is None


def test_what_is_declared_is_taken() -> None:
    declared = Declared(width=64, height=48, fps=FILM, frames=24)
    video = compose(SOURCE, declared, PageSettings(props={"a": [1]}, ready_timeout=2))
    wanted = {"width": 64, "height": 48, "fps": FILM, "frames": 24, "page": {"props": {"a": [1]}, "ready_timeout": 2}}
    assert video == Composition.model_validate({"source": SOURCE, **wanted})
    assert video.duration == Fraction(1001, 1000)


@pytest.mark.parametrize(
    ("duration", "fps", "frames"),
    [
        (8, Fraction(30), 240),
        (1, FILM, 24),
        (1.001, FILM, 24),
        (10, FILM, 240),
        (0.1, Fraction(30), 3),
        (0.7, Fraction(10), 7),
        (2.3, Fraction(100), 230),
        (0.05, Fraction(30), 2),
        (0.049, Fraction(30), 1),
        (0.02, Fraction(30), 1),
    ],
)
def test_a_duration_is_rounded_to_whole_frames(duration: float, fps: Fraction, frames: int) -> None:
    assert compose(SOURCE, Declared(duration=duration, fps=fps)).frames == frames


@given(st.integers(1, 1_000_000), st.sampled_from([Fraction(25), Fraction(30), FILM, Fraction(60000, 1001)]))
def test_the_duration_of_whole_frames_gives_these_frames(frames: int, fps: Fraction) -> None:
    assert compose(SOURCE, Declared(duration=float(frames / fps), fps=fps)).frames == frames


def test_frames_win_over_a_duration() -> None:
    assert compose(SOURCE, Declared(frames=9, duration=8)).frames == 9


def test_a_video_without_a_length_is_none() -> None:
    with pytest.raises(UsageError, match=r"no length: give --duration or --frames, or put <meta name=\"helios\""):
        compose(SOURCE, Declared(width=64))


@pytest.mark.parametrize("frames", [0, -1])
def test_a_video_without_a_frame_is_none(frames: int) -> None:
    with pytest.raises(UsageError, match=f"at least 1 frame, not {frames}"):
        compose(SOURCE, Declared(frames=frames))


def test_a_duration_too_short_for_a_frame_makes_no_video() -> None:
    with pytest.raises(UsageError, match="at least 1 frame, not 0"):
        compose(SOURCE, Declared(duration=0.01))


@pytest.mark.parametrize("duration", [0, -1, math.inf, -math.inf, math.nan])
def test_a_duration_must_be_a_number_above_0(duration: float) -> None:
    with pytest.raises(UsageError, match=f"duration must be above 0 seconds, not {duration:g}"):
        compose(SOURCE, Declared(duration=duration))


@pytest.mark.parametrize("side", [0, -1, 16385])
@pytest.mark.parametrize("name", ["width", "height"])
def test_a_size_out_of_range_is_told(name: str, side: int) -> None:
    with pytest.raises(UsageError, match=f"{name} must be from 1 to 16384 pixels, not {side}"):
        compose(SOURCE, Declared.model_validate({name: side, "frames": 1}))


@pytest.mark.parametrize("side", [1, 16384])
def test_the_ends_of_the_range_are_sizes(side: int) -> None:
    video = compose(SOURCE, Declared(width=side, height=side, frames=1))
    assert (video.width, video.height) == (side, side)


@pytest.mark.parametrize("timeout", [0, -1, math.inf, math.nan])
def test_a_page_gets_some_time_to_become_ready_and_not_for_ever(timeout: float) -> None:
    with pytest.raises(UsageError, match="ready-timeout"):
        PageSettings(ready_timeout=timeout)


def test_a_video_survives_json() -> None:
    video = compose(SOURCE, Declared(fps=FILM, frames=24), PageSettings(props={"a": [1, None, "ü"]}))
    assert Composition.model_validate_json(video.model_dump_json()) == video


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("0:150", range(150)),
        ("10:20", range(10, 20)),
        (":20", range(20)),
        ("10:", range(10, 150)),
        (":", range(150)),
        ("149:150", range(149, 150)),
    ],
)
def test_a_range_of_frames_is_read(text: str, frames: range) -> None:
    assert parse_range(text, 150) == frames


@pytest.mark.parametrize("text", ["", "5", "a:b", "1:b", "1.5:3", "1:2:3", "1-2", "9" * 5000 + ":"])
def test_what_is_no_range_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="is not A:B, as in 0:150"):
        parse_range(text, 150)


@pytest.mark.parametrize("text", ["5:5", "6:5", "0:151", "150:", "-1:5", "0:0", "-5:-1"])
def test_a_range_that_is_empty_or_outside_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="is empty or outside of the video, which has frames 0:150") as caught:
        parse_range(text, 150)
    assert text in str(caught.value)
