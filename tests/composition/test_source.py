"""A page is a file, a folder or an address; anything else is told."""

import os
from pathlib import Path

import pytest

from helios.composition import Source
from helios.errors import UsageError


@pytest.mark.parametrize("address", ["http://localhost:8000/a b?c#d", "https://example.com", "HTTP://EXAMPLE.COM/"])
def test_an_address_is_taken_as_it_is(address: str) -> None:
    source = Source.parse(address)
    assert source == Source(root=None, entry=address)
    assert source.url("http://origin") == address


def test_a_file_is_a_page_in_its_folder(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.touch()
    assert Source.parse(page) == Source.parse(str(page)) == Source(root=tmp_path, entry="page.html")


def test_a_folder_is_its_index(tmp_path: Path) -> None:
    (tmp_path / "index.html").touch()
    assert Source.parse(tmp_path) == Source.parse(f"{tmp_path}/") == Source(root=tmp_path, entry="index.html")


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.html").touch()
    monkeypatch.chdir(tmp_path)
    assert Source.parse("index.html") == Source.parse(".") == Source(root=tmp_path, entry="index.html")


def test_a_path_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page.html").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Source.parse("~/page.html") == Source(root=tmp_path, entry="page.html")


@pytest.mark.parametrize(
    "name",
    [
        *("a b.html", "a#b?c.html", "%41.html", "ünï-日本.html", "a:b.html", "http:page.html", "two\nlines.html"),
        *("-i.html", "~nobody-of-this-name.html", "[1].html", "page", "'\"&<>.html"),
    ],
)
def test_a_files_name_may_be_anything(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert Source.parse(name) == Source.parse(tmp_path / name) == Source(root=tmp_path, entry=name)


def test_a_folder_without_an_index_is_told(tmp_path: Path) -> None:
    (tmp_path / "index.html").mkdir()
    with pytest.raises(UsageError, match=r"the folder has no index\.html"):
        Source.parse(tmp_path)


@pytest.mark.parametrize(
    "name", ["missing.html", "missing/page.html", "", "~nobody-of-this-name/page.html", "//[", "a\0b"]
)
def test_a_missing_page_is_told(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError):
        Source.parse(name)


def test_what_is_neither_file_nor_folder_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="pipe: not a file"):
        Source.parse(tmp_path / "pipe")


@pytest.mark.parametrize("text", ["<h1>Hello</h1>" * 1000, "x" * 300])
def test_text_that_can_be_no_path_is_told(text: str) -> None:
    with pytest.raises(UsageError):
        Source.parse(text)


@pytest.mark.parametrize("address", ["ftp://example.com/a.html", "file:///tmp/a.html", "s3://bucket/a", "x://[bad"])
def test_another_kind_of_address_is_told(address: str) -> None:
    with pytest.raises(UsageError, match="only http and https addresses, files and folders"):
        Source.parse(address)


def test_a_malformed_address_is_left_for_the_browser_to_judge() -> None:
    assert Source.parse("http://[bad").entry == "http://[bad"


def test_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    page = tmp_path / "\udcff.html"
    page.touch()
    with pytest.raises(UsageError, match=r"\\udcff\.html': a page's path must be UTF-8"):
        Source.parse(page)


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ("page.html", "page.html"),
        ("sub/page.html", "sub/page.html"),
        ("a b.html", "a%20b.html"),
        ("a#b?c.html", "a%23b%3Fc.html"),
        ("%41.html", "%2541.html"),
        ("ü.html", "%C3%BC.html"),
    ],
)
def test_the_address_of_a_file_is_quoted(entry: str, path: str) -> None:
    assert Source(root=Path("/project"), entry=entry).url("http://origin") == f"http://origin/{path}"


def test_a_source_survives_json(tmp_path: Path) -> None:
    page = tmp_path / "ü b.html"
    page.touch()
    source = Source.parse(page)
    assert Source.model_validate_json(source.model_dump_json()) == source
