"""Metadata, chapters and subtitles: read, checked, and limited to a part of the video."""

from fractions import Fraction
from pathlib import Path

import pytest

from helios.composition import Cue
from helios.errors import UsageError
from helios.text import Chapter, Subtitles, Text, check_container, find_late_text, read_text
from helios.text.chapters import read_chapters
from helios.text.languages import container_language, parse_language

SRT = "1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n00:00:01,500 --> 00:00:03,000\nyou\n"
HELLO, YOU = Cue(start_ms=1000, end_ms=2000, text="Hello"), Cue(start_ms=1500, end_ms=3000, text="you")


@pytest.fixture
def srt(tmp_path: Path) -> Path:
    path = tmp_path / "a,b.srt"
    path.write_text(SRT)
    return path


def test_subtitles_are_muxed_or_burned(srt: Path) -> None:
    text, burned = read_text(
        {"Title": "Hello"}, None, [f"{srt},language=en-GB", f"{srt} , burn".replace(" ,", ","), str(srt)]
    )
    plain = Subtitles(cues=(HELLO, YOU))
    assert text == Text(metadata={"title": "Hello"}, subtitles=(Subtitles(cues=plain.cues, language="eng"), plain))
    assert [(cue.start_ms, cue.end_ms, cue.text) for cue in burned] == [
        (1000, 1500, "Hello"),
        (1500, 2000, "Hello\nyou"),
        (2000, 3000, "you"),
    ]
    assert read_text({}, None, [f"{srt},burn"])[0] is None
    assert read_text(None, None, []) == (None, ())


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (",burn,size=3", "'size=3' is not a setting. Syntax: FILE[,burn][,language=en]"),
        (",burn,language=en", "burned subtitles take no language"),
        (",language=english", "'english' is not a language code: use one such as en or eng"),
        (",language=", "'' is not a language code"),
    ],
)
def test_wrong_settings_are_refused(setting: str, message: str, srt: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_text({}, None, [f"{srt}{setting}"])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"), [("a b", "x"), ("", "x"), ("title", " "), ("title", "a\0b"), ("title", "\udc80")]
)
def test_invalid_metadata_is_refused(key: str, value: str) -> None:
    with pytest.raises(UsageError, match="metadata"):
        read_text({key: value}, None, [])


def chapters(folder: Path, text: str) -> list[tuple[int, str]]:
    (folder / "chapters.txt").write_text(text)
    return [(chapter.start_ms, chapter.title) for chapter in read_chapters(folder / "chapters.txt")]


def test_chapters_are_lines(tmp_path: Path) -> None:
    text = "\ufeff0:00 The beginning\r\n\n 1:02.500   = ; # \\ é \n01:00:00,001 End"
    assert chapters(tmp_path, text) == [(0, "The beginning"), (62_500, "= ; # \\ é"), (3_600_001, "End")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no chapters: write a line such as 1:02.500 Title for each one"),
        ("0:00 a\n\nsoon b", ":3: 'soon b' is not a chapter such as 1:02.500 Title"),
        ("0:00 a\n1:00", ":2: '1:00' is not a chapter"),
        ("0:01 a", ":1: the first chapter must start at 0:00, not 0:01"),
        ("0:00 a\n2:00 b\n2:00 c", ":3: the chapter at 2:00 does not start after the one before it"),
    ],
)
def test_wrong_chapters_are_refused_with_their_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        chapters(tmp_path, text)
    assert message in str(caught.value)


THREE = tuple(Chapter(start_ms=ms, title=title) for ms, title in ((0, "a"), (2000, "b"), (4000, "c")))
FULL = Text(metadata={"title": "x"}, chapters=THREE, subtitles=(Subtitles(cues=(HELLO, YOU), language="eng"),))


@pytest.mark.parametrize(
    ("start", "end", "starts", "cues"),
    [
        (Fraction(0), Fraction(6), [("a", 0), ("b", 2000), ("c", 4000)], [(1000, 2000), (1500, 3000)]),
        (Fraction(3, 2), Fraction(5, 2), [("a", 0), ("b", 500)], [(0, 500), (0, 1000)]),
        (Fraction(2), Fraction(4), [("b", 0)], [(0, 1000)]),
        (Fraction(2002, 1000), Fraction(10), [("b", 0), ("c", 1998)], [(0, 998)]),
        (Fraction(1001, 24000), Fraction(1), [("a", 0)], []),
        (Fraction(7), Fraction(8), [("c", 0)], []),
    ],
)
def test_a_part_of_the_video_has_its_part_of_the_text(
    start: Fraction, end: Fraction, starts: list[tuple[str, int]], cues: list[tuple[int, int]]
) -> None:
    part = FULL.within(start, end)
    assert part.metadata == {"title": "x"}
    assert [(chapter.title, chapter.start_ms) for chapter in part.chapters] == starts
    assert [(cue.start_ms, cue.end_ms) for one in part.subtitles for cue in one.cues] == cues


def test_text_after_the_videos_end_is_a_warning() -> None:
    assert find_late_text(FULL, [], Fraction(5)) == []
    assert find_late_text(FULL, [HELLO], Fraction(3, 2)) == [
        "2 of 3 chapters start after the video's end at 1.5 s, and are left out",
        "1 of 3 subtitles start after the video's end at 1.5 s, and are left out",
    ]
    assert find_late_text(None, [HELLO, YOU], Fraction(1)) == [
        "2 of 2 subtitles start after the video's end at 1 s, and are left out"
    ]


@pytest.mark.parametrize(
    ("suffix", "text", "message"),
    [
        (
            ".ts",
            Text(subtitles=FULL.subtitles),
            ".ts can't hold subtitles: use .mp4, .m4v, .mov, .mkv, .webm; add ,burn",
        ),
        (".ts", Text(chapters=THREE), ".ts can't hold chapters"),
        (".gif", Text(metadata={"title": "x"}), ".gif can't hold metadata"),
        (".mp4", Text(metadata={"colour": "x"}), ".mp4 can't hold metadata colour: it takes title, artist, "),
        (".mov", Text(metadata={"synopsis": "x"}), ".mov can't hold metadata synopsis"),
        (".mkv", Text(metadata={"encoder": "x"}), "metadata key encoder is reserved"),
        (
            ".mov",
            Text(subtitles=(Subtitles(cues=(HELLO,), language="hrv"),)),
            ".mov has no code for the language hrv",
        ),
    ],
)
def test_text_that_a_container_can_not_hold_is_refused(suffix: str, text: Text, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_container(text, suffix)
    assert message in str(caught.value)


def test_languages() -> None:
    assert [parse_language(code) for code in ("en", "EN_us", "deu", "ger", "zh-Hant")] == [
        "eng",
        "eng",
        "deu",
        "ger",
        "zho",
    ]
    assert [container_language(code, ".mov") for code in ("eng", "deu", "ger", "swe")] == ["eng", "ger", "ger", "sve"]
    assert container_language("deu", ".mp4") == "deu"


@pytest.mark.parametrize("code", ["", "e", "xx", "zzz", "english", "123", "e n", "x-en", "\ud800"])
def test_an_unknown_language_is_refused(code: str) -> None:
    with pytest.raises(UsageError, match="is not a language code: use one such as en or eng"):
        parse_language(code)
