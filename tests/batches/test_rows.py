"""Rows and their videos' names: errors are reported before any video is rendered."""

from pathlib import Path
from typing import Any

import pytest

from helios.batches import create_folders, format_for, name_videos, read_rows
from helios.errors import OutputError, UsageError


def rows_of(folder: Path, name: str, data: str | bytes) -> list[Any]:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return [dict(row) for row in read_rows(path)]


def test_values_of_csv_are_texts(tmp_path: Path) -> None:
    data = '\ufeffid,name\r\n1,"Ada, ""the first"""\r\n\r\n2,"two\nlines"\r\n'
    assert rows_of(tmp_path, "a.csv", data) == [
        {"id": "1", "name": 'Ada, "the first"'},
        {"id": "2", "name": "two\nlines"},
    ]


def test_values_of_jsonl_keep_their_types(tmp_path: Path) -> None:
    data = '{"id": 1, "tags": ["a"], "ok": true}\n\n{"id": 2.5, "of": {"x": null}}\n'
    assert rows_of(tmp_path, "a.jsonl", data) == [
        {"id": 1, "tags": ["a"], "ok": True},
        {"id": 2.5, "of": {"x": None}},
    ]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.csv", "id,name\n1,Ada\n2\n", ["a.csv, line 3", "1 values for 2 columns"]),
        ("a.csv", 'id\n"1\n', ["a.csv, line 2", "not CSV"]),
        ("a.csv", "id,id\n1,2\n", ["line 1", "two columns are named 'id'"]),
        ("a.csv", b"id\nAda\nB\xf6b\n", ["a.csv, line 3", "UTF-8"]),
        ("a.jsonl", '{"id": 1}\n{"id": }\n', ["a.jsonl, line 2", "not JSON"]),
        ("a.jsonl", '{"id": NaN}\n', ["a.jsonl, line 1", "NaN"]),
        ("a.jsonl", "[1]\n", ["a.jsonl, line 1", "JSON object"]),
        ("a.xlsx", "", ["a.xlsx", ".csv nor a .jsonl"]),
    ],
)
def test_errors_of_a_file_name_its_line(name: str, data: str | bytes, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        rows_of(tmp_path, name, data)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.csv can't be read: No such file"):
        read_rows(tmp_path / "none.csv")


def test_videos_are_named_by_columns_and_numbers(tmp_path: Path) -> None:
    rows = [{"id": 7, "team": "a b"}, {"id": "x", "team": "ü"}]
    videos = name_videos(f"{tmp_path}/{{team}}/{{id}}-{{row}}{{{{}}}}.mp4", rows, {"id": 0, "year": 2026})
    assert [video.output for video in videos] == [tmp_path / "a b" / "7-1{}.mp4", tmp_path / "ü" / "x-2{}.mp4"]
    assert [video.props for video in videos] == [
        {"id": 7, "year": 2026, "team": "a b"},
        {"id": "x", "year": 2026, "team": "ü"},
    ]
    create_folders(videos)
    assert (tmp_path / "a b").is_dir()
    (named,) = name_videos("{row}.mp4", [{"row": "mine"}])
    assert named.output.name == "mine.mp4", "a column wins"


@pytest.mark.parametrize(
    ("pattern", "rows", "words"),
    [
        ("{id}.mp4", [], ["no rows"]),
        ("{nr}.mp4", [{"id": 1}], ["row 1", "'nr'", "row, id"]),
        ("video.mp4", [{"id": 1}, {"id": 2}], ["rows 1 and 2", "video.mp4", "{row}"]),
        ("a/./{id}.mp4", [{"id": 1}, {"id": 1}], ["rows 1 and 2"]),
        ("out/{id}.mp4", [{"id": "../../etc/x"}], ["row 1", "another folder"]),
        ("out/{id}/a.mp4", [{"id": ".."}], ["row 1", "another folder"]),
        ("{id}.mp4", [{"id": "a"}, {"id": ""}], ["row 2", "id is ''"]),
        ("{id}.mp4", [{"id": ["a"]}], ["row 1", "part of a file name"]),
        ("{id}.mp4", [{"id": None}], ["row 1", "part of a file name"]),
        ("{id}.mp4", [{"id": "x" * 300}], ["row 1", "longer than 255 bytes"]),
        ("{id.mp4", [{"id": 1}], ["'{id.mp4'", "pattern"]),
        ("{}.mp4", [{"id": 1}], ["pattern"]),
        ("{id:>9}.mp4", [{"id": 1}], ["pattern"]),
        ("{id}.mp4", [{"id": 1, "at": {1, 2}}], ["row 1", "JSON"]),
    ],
)
def test_errors_of_a_name_name_the_row(pattern: str, rows: list[Any], words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        name_videos(pattern, rows)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_shared_props_are_an_object() -> None:
    with pytest.raises(UsageError, match="JSON object"):
        name_videos("{id}.mp4", [{"id": 1}], [1])


def test_places_that_can_not_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        create_folders(name_videos(f"{tmp_path}/file/{{id}}.mp4", [{"id": 1}]))
    (tmp_path / "1.mp4").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        create_folders(name_videos(f"{tmp_path}/{{id}}.mp4", [{"id": 0}, {"id": 1}]))


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{id}.doc", ["x.gif.doc", ".mp4"]),
        ("{id}", ["row 2", "y.mp4", "x.gif have different formats"]),
        ("{id}-%05d.png", ["a batch can't write", ".png"]),
    ],
)
def test_all_are_videos_of_one_kind(pattern: str, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        format_for(name_videos(pattern, [{"id": "x.gif"}, {"id": "y.mp4"}]))
    assert all(word in str(caught.value) for word in words), str(caught.value)
