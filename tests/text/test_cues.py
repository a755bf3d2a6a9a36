"""Subtitle files of all formats and dialects are read, and written files read back the same."""

import contextlib
import tempfile
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios.composition import Cue
from helios.errors import UsageError
from helios.text.cues import format_srt, format_vtt, merge_overlaps, read_cues
from helios.text.times import format_time, parse_time


def cue(start: int, end: int, text: str) -> Cue:
    return Cue(start_ms=start, end_ms=end, text=text)


def read(folder: Path, text: str | bytes, name: str = "video.srt") -> list[Cue]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read_cues(path))


PLAIN = "1\n00:00:01,000 --> 00:00:02,500\nHello\nyou\n\n2\n00:00:03,000 --> 01:00:04,000\n<i>Bye</i>\n"
FOUND = [cue(1000, 2500, "Hello\nyou"), cue(3000, 3_604_000, "<i>Bye</i>")]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace(",", "."),
        PLAIN.replace(",000", "").replace(",500", ",5"),
        PLAIN.replace("1\n00", "00").replace("2\n00", "00"),
        "\n\n" + PLAIN.replace("\n\n", "\n\n\n \n") + "\n\n\n",
        PLAIN.replace("\n\n", "\n"),
        PLAIN.replace("-->", "  -->  ").replace("01:00:04,000", "01:00:04,000 X1:10 X2:20 Y1:5 Y2:9"),
        PLAIN.replace("Hello", "{\\an8}<font color='#fff'>Hello</font>").replace("<i>", "<I>"),
        "3\n00:00:03,000 --> 01:00:04,000\n<i>Bye</i>\n\n9\n00:00:01,000 --> 00:00:02,500\nHello\nyou",
    ],
)
def test_srt_in_its_dialects(text: str, tmp_path: Path) -> None:
    assert read(tmp_path, text) == FOUND


def test_text_that_resembles_markup_is_text(tmp_path: Path) -> None:
    body = "I <3 you --> a < b & {c} <Ada>\n42"
    text = f"1\n0:00:00,000 --> 0:00:01,000\n{body}\n\n2\n0:00:01,000 --> 0:00:02,000\n\n7\n"
    assert read(tmp_path, text) == [cue(0, 1000, body), cue(1000, 2000, "7")]


def test_a_blank_line_does_not_end_a_text(tmp_path: Path) -> None:
    text = "1\n00:00:00,000 --> 00:00:01,000\na\n\nb\n\n2\n00:00:01,000 --> 00:00:02,000\nc\n"
    assert read(tmp_path, text) == [cue(0, 1000, "a\nb"), cue(1000, 2000, "c")]


def test_empty_subtitles_are_left_out(tmp_path: Path) -> None:
    text = "1\n00:00:00,000 --> 00:00:00,000\na\n\n2\n00:00:01,000 --> 00:00:02,000\n\n\n" + PLAIN
    assert read(tmp_path, text) == FOUND


def test_vtt(tmp_path: Path) -> None:
    text = """WEBVTT - a video
Kind: captions

STYLE
::cue { color: red }

NOTE 00:00 was too early
for that

intro
00:01.000 --> 00:02.500 position:10% align:left
<v Ada>Hello</v>
<c.loud>you</c>

00:00:03.000 --> 01:00:04.000
<i.x>B<00:00:03.500>y&#101;</i>

00:05.000 --> 00:06.000
a &lt; b &amp; c&nbsp;d"""
    assert read(tmp_path, text, "video.vtt") == [*FOUND, cue(5000, 6000, "a < b & c\xa0d")]


ASS = """[Script Info]
; a comment
Title: [Events] of a video

[V4+ Styles]
Style: Default,Arial,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:09.00,Default,,0,0,0,,not shown
Dialogue: 1,0:00:03.00,1:00:04.00,Default,,0,0,0,,{\\i1\\pos(1,2)}Bye{\\i0}{a note}, now
Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,Hello\\Nyou
Dialogue: 2,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\blur3}Hello\\Nyou
Dialogue: 0,0:00:05.00,0:00:06.00,Default,,0,0,0,,{\\an7\\p1}m 0 0 l 9 9{\\p0}a\\hb\\nc
Dialogue: 0,0:00:07.00,0:00:08.00,Default,,0,0,0,,{\\p2}m 0 0 l 9 9

[Fonts]
Dialogue: no subtitle
"""
PLAIN_ASS = [cue(1000, 2500, "Hello\nyou"), cue(3000, 3_604_000, "Bye, now"), cue(5000, 6000, "a\xa0b c")]


@pytest.mark.parametrize(
    "text",
    [
        ASS,
        "\ufeff" + ASS.replace("\n", "\r\n"),
        ASS.replace("Format: Layer", "Format: Marked").replace("Dialogue: ", "Dialogue: Marked="),
        "\n".join(line for line in ASS.splitlines() if not line.startswith("Format")),
        "\n\n; by a program\n" + ASS.partition("\n\n")[2],
    ],
)
def test_ass_is_read_as_plain_text(text: str, tmp_path: Path) -> None:
    assert read(tmp_path, text, "video.ass") == PLAIN_ASS


def test_the_format_line_gives_the_order_of_ass_fields(tmp_path: Path) -> None:
    text = "[Events]\nFormat: End, Start, Text\nDialogue: 0:00:02.5,0:00:01.00,Hello, you"
    assert read(tmp_path, text) == [cue(1000, 2500, "Hello, you")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[Script Info]\n[Events]\n", " has no subtitles"),
        ("[Events]\nFormat: Start, Text\n", ":2: this format needs the fields Start and End, and Text as its last"),
        ("[Events]\nFormat: Text, Start, End\n", ":2: this format needs"),
        ("[Events]\n\nDialogue: 0,0:00:01.00,0:00:02.00,Hello", ":3: this dialogue line has 4 fields instead of 10"),
        ("[Events]\nDialogue: 0,0:00:01.00,soon,,,,,,,a", ":2: 0:00:01.00,soon are not times"),
        ("[Events]\nDialogue: 0,0:00:02.00,0:00:01.00,,,,,,,a", ":2: this subtitle ends before it starts"),
    ],
)
def test_broken_ass_is_refused_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text, "video.ass")
    assert str(caught.value).startswith(f"{tmp_path / 'video.ass'}{message}")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has no subtitles: expected .srt, .vtt or .ass, such as 00:00:01,000 --> 00:00:02,500"),
        (b"<html>hello", "has no subtitles"),
        (b"WEBVTT\n\nNOTE nothing\n", "has no subtitles"),
        (b"\x89PNG\r\n\0\0", ":1: not valid UTF-8"),
        (b"PK\0\0", "is a binary file"),
        (b"1\n00:00:00,000 --> 00:00:01,000\nna\xefve", ":3: not valid UTF-8"),
        (b"1\n00:00:00,000 --> 00:00:01,000\na\n\n2\n00:00:61,000 --> 00:01:02,000\nb", ":6: "),
        (b"1\n00:00:00,000 -->\na", ":2: '00:00:00,000 -->' are not times"),
        (b"1\n00:00:02,000 --> 00:00:01,000\na", ":2: this subtitle ends before it starts"),
    ],
)
def test_a_broken_subtitle_file_is_refused_with_its_line(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, data)
    assert str(caught.value).startswith(str(tmp_path / "video.srt"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.srt can't be read: No such file"):
        read_cues(tmp_path / "none.srt")


@settings(deadline=None)  # disks may be slow
@given(
    st.binary()
    | st.text(alphabet="0123456789:,.->\n \r<i>WEBVTT", max_size=200).map(str.encode)
    | st.text(alphabet="0123:,.{}\\\\pN\n[]x").map(
        lambda text: f"[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,,,,,,,{text}".encode()
    )
)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(UsageError):
        assert all(cue.start_ms < cue.end_ms and cue.text for cue in read(Path(folder), data))


WORDS = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="<>&-{}") | st.sampled_from(" <&"), min_size=1
)
LINES = WORDS.map(str.strip).filter(lambda word: word and not word.isdigit() and "&" not in word)
TEXTS = st.lists(LINES | LINES.map("<i>{}</i>".format), min_size=1, max_size=3).map("\n".join)
CUES = st.lists(
    st.tuples(st.integers(0, 10**7), st.integers(1, 10**5), TEXTS).map(
        lambda one: cue(one[0], one[0] + one[1], one[2])
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.parametrize("write", [format_srt, format_vtt])
@settings(deadline=None, max_examples=50)
@given(cues=CUES)
def test_a_written_file_reads_back_the_same(write: Callable[[Iterable[Cue]], str], cues: list[Cue]) -> None:
    wanted = sorted(cues, key=lambda one: one.start_ms)
    with tempfile.TemporaryDirectory() as folder:
        assert read(Path(folder), write(wanted)) == wanted


@given(CUES)
def test_merged_overlaps_show_the_same_at_every_moment_and_one_at_a_time(cues: list[Cue]) -> None:
    wanted = sorted(cues, key=lambda one: one.start_ms)
    found = merge_overlaps(cues)
    assert all(one.end_ms <= other.start_ms for one, other in pairwise(found))
    for time in {edge + by for one in cues for edge in (one.start_ms, one.end_ms) for by in (-1, 0)}:
        shown = [one.text for one in found if one.start_ms <= time < one.end_ms]
        assert "\n".join(shown) == "\n".join(one.text for one in wanted if one.start_ms <= time < one.end_ms)


@pytest.mark.parametrize(
    ("text", "ms"),
    [("0:00", 0), ("1:02.5", 62_500), ("90:00", 5_400_000), ("1:00:00,001", 3_600_001), ("00:01.0009", 1000)],
)
def test_times(text: str, ms: int) -> None:
    assert parse_time(text) == ms


@pytest.mark.parametrize("text", ["", "1", "1:60", "1:60:00", "-1:00", "1:0x", "1:02.", "a:b", "1:2:3:4", "\u0661:00"])
def test_invalid_times(text: str) -> None:
    assert parse_time(text) is None


@given(st.integers(0, 10**9))
def test_a_written_time_reads_back_the_same(ms: int) -> None:
    assert parse_time(format_time(ms)) == parse_time(format_time(ms, ",")) == ms
