"""What a page and a caller say, read and put over one another."""

import math
from fractions import Fraction

import pytest

from helios.composition import Declared, parse_meta
from helios.errors import UsageError


@pytest.mark.parametrize(
    ("content", "declared"),
    [
        ("", Declared()),
        (" , ;", Declared()),
        ("width=1920", Declared(width=1920)),
        (
            "width=640, height=480, fps=30, duration=8",
            Declared(width=640, height=480, fps=Fraction(30), duration=8),
        ),
        ("width=640;height=480;frames=9", Declared(width=640, height=480, frames=9)),
        ("  fps = 23.976 ,", Declared(fps=Fraction(24000, 1001))),
        ("fps=30000/1001", Declared(fps=Fraction(30000, 1001))),
        ("duration=1.5s", Declared(duration=1.5)),
        ("width=1, width=2", Declared(width=2)),
    ],
)
def test_a_meta_element_is_read(content: str, declared: Declared) -> None:
    assert parse_meta(content) == declared


@pytest.mark.parametrize("content", ["width=wide", "width=", "width", "height=1.5", "frames=1e3", "duration=long"])
def test_a_value_that_is_no_number_is_told(content: str) -> None:
    name, _, value = content.partition("=")
    with pytest.raises(UsageError, match="not a number") as caught:
        parse_meta(f"fps=30, {content}")
    assert f"{name}={value}" in str(caught.value)


@pytest.mark.parametrize("name", ["witdh", "Width", "content", ""])
def test_an_unknown_name_is_told(name: str) -> None:
    with pytest.raises(UsageError, match=r"known are width, height, fps, duration and frames") as caught:
        parse_meta(f"{name}=1")
    assert repr(name) in str(caught.value)


def test_a_rate_that_is_none_is_told() -> None:
    with pytest.raises(UsageError, match="often"):
        parse_meta("fps=often")


def test_settings_win_over_the_others_and_leave_what_they_do_not_say() -> None:
    page = Declared(width=640, height=480, fps=Fraction(25), duration=8)
    assert Declared().over(page) == page
    assert page.over(Declared()) == page
    assert Declared(width=100, fps=Fraction(30)).over(page) == Declared(
        width=100, height=480, fps=Fraction(30), duration=8
    )


@pytest.mark.parametrize("mine", [Declared(frames=9), Declared(duration=1)])
@pytest.mark.parametrize("theirs", [Declared(frames=100), Declared(duration=50), Declared(frames=100, duration=50)])
def test_a_length_hides_the_others_in_either_spelling(mine: Declared, theirs: Declared) -> None:
    assert mine.over(theirs) == mine


def test_a_zero_is_something_said() -> None:
    assert Declared(frames=0).over(Declared(frames=100)) == Declared(frames=0)


@pytest.mark.parametrize("declared", [Declared(fps=Fraction(24000, 1001), frames=9), Declared(duration=math.inf)])
def test_settings_survive_json(declared: Declared) -> None:
    assert Declared.model_validate_json(declared.model_dump_json()) == declared


def test_no_number_survives_json_too() -> None:
    back = Declared.model_validate_json(Declared(duration=math.nan).model_dump_json())
    assert back.duration is not None
    assert math.isnan(back.duration)
