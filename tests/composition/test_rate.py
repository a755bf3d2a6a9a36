"""Frame rates and frame times are exact."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios.composition import frame_time_ms, parse_rate, timescale
from helios.errors import UsageError


def ntsc(frames: int) -> Fraction:
    return Fraction(frames * 1000, 1001)


RATES = [*map(Fraction, (1, 12, 24, 25, 30, 50, 60, 144, 1000)), *map(ntsc, (24, 30, 48, 60, 120)), Fraction(25, 2)]
rates = st.sampled_from(RATES) | st.fractions(min_value=Fraction(1, 100), max_value=1000, max_denominator=1001)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("30", Fraction(30)),
        (30, Fraction(30)),
        (" 30 ", Fraction(30)),
        ("30.0", Fraction(30)),
        (12.5, Fraction(25, 2)),
        ("0.5", Fraction(1, 2)),
        ("1000", Fraction(1000)),
        ("30000/1001", ntsc(30)),
        ("60/2", Fraction(30)),
        (Fraction(24000, 1001), ntsc(24)),
        ("1000000/33333", Fraction(1_000_000, 33_333)),
    ],
)
def test_a_rate_is_what_it_says(text: str | float | Fraction, rate: Fraction) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    ("decimal", "frames"),
    [
        ("23.976", 24),
        ("23.98", 24),
        ("29.97", 30),
        ("47.952", 48),
        ("47.95", 48),
        ("59.94", 60),
        ("119.88", 120),
    ],
)
def test_the_decimals_of_ntsc_mean_the_exact_rates(decimal: str, frames: int) -> None:
    assert parse_rate(decimal) == parse_rate(float(decimal)) == parse_rate(f"{decimal}0") == ntsc(frames)


@pytest.mark.parametrize("frames", [24, 30, 48, 60, 120])
@pytest.mark.parametrize("digits", [8, 9, 12, 17])
def test_a_longer_decimal_of_ntsc_means_the_exact_rate_too(frames: int, digits: int) -> None:
    assert parse_rate(f"{frames / 1.001:.{digits}g}") == ntsc(frames)
    assert parse_rate(frames / 1.001) == ntsc(frames)


@given(st.integers(1, 1_000_000))
def test_any_other_decimal_of_three_places_means_what_it_says(thousandths: int) -> None:
    decimal = f"{thousandths / 1000:.3f}"
    if decimal not in ("23.976", "23.980", "29.970", "47.952", "47.950", "59.940", "119.880"):
        assert parse_rate(decimal) == Fraction(thousandths, 1000)


@pytest.mark.parametrize(
    "text", ["0", "-30", "-0", "0.0", "0/1", "-30000/1001", "30/-1", "1000.1", "1001", "0.0001", "9" * 20]
)
def test_a_rate_out_of_range_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="must be above 0 and at most 1000") as caught:
        parse_rate(text)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "often", "30fps", "1/0", "1/00", "1/-0", "/", "1/", "/2", "30/1.5", "1//2", "1/2/3", "1e3", "0x1e"),
        *("inf", "-inf", "nan", "NaN", "Infinity", "3_0", "+30", "--30", "30.", ".5", "1,5", "9" * 5000, "30\n/1"),
    ],
)
def test_nonsense_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="is not a frame rate"):
        parse_rate(text)


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan, True])
def test_a_number_that_is_no_rate_is_told(number: float) -> None:
    with pytest.raises(UsageError, match="is not a frame rate"):
        parse_rate(number)


@pytest.mark.parametrize("text", ["1000003/1001", "29999999/1000001", "29970029970/1000000001"])
def test_a_rate_too_fine_to_be_joined_exactly_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="too fine to be exact"):
        parse_rate(text)


@given(st.text(max_size=12) | st.from_regex(r"-?\d+(\.\d+)?(/-?\d+)?", fullmatch=True))
def test_whatever_is_accepted_is_in_range(text: str) -> None:
    try:
        rate = parse_rate(text)
    except UsageError:
        return
    assert 0 < rate <= 1000
    assert timescale(rate) <= 1_000_000


@given(rates, st.integers(0, 10_000_000))
def test_every_frame_is_at_a_whole_number_of_ticks(fps: Fraction, frame: int) -> None:
    assert (frame / fps * timescale(fps)).denominator == 1


@given(rates)
def test_ticks_are_fine_but_no_finer_than_need_be(fps: Fraction) -> None:
    ticks = timescale(fps)
    assert ticks >= 10_000
    assert ticks < 10_000 + fps.numerator
    assert ticks % fps.numerator == 0


@pytest.mark.parametrize(("fps", "ticks"), [("25", 10_000), ("30", 10_020), ("60", 10_020), ("23.976", 24_000)])
def test_ticks_of_the_usual_rates(fps: str, ticks: int) -> None:
    assert timescale(parse_rate(fps)) == ticks


@given(rates, st.integers(0, 10_000_000))
def test_a_frames_time_is_the_nearest_double(fps: Fraction, frame: int) -> None:
    exact = Fraction(frame * 1000) / fps
    time = frame_time_ms(frame, fps)
    off = abs(Fraction(time) - exact)
    for neighbour in (math.nextafter(time, -math.inf), math.nextafter(time, math.inf)):
        assert off <= abs(Fraction(neighbour) - exact)


def test_a_second_of_frames_is_a_second() -> None:
    assert frame_time_ms(30, Fraction(30)) == 1000.0
    assert frame_time_ms(24_000, ntsc(24)) == 1_001_000.0
    assert frame_time_ms(0, ntsc(24)) == 0.0
