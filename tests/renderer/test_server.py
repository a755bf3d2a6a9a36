"""The folder that a page can reach."""

import asyncio
import http.client
from pathlib import Path
from urllib.parse import quote

import pytest

from helios.composition import Source
from helios.renderer.browser.browser import open_page
from helios.renderer.browser.server import serve


def ask(root: Path, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    with serve(root, {}) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", path, headers={name.title(): value for name, value in headers.items()})
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return found


def test_files_have_their_bytes_and_types(tmp_path: Path) -> None:
    (tmp_path / "söme name.js").write_text("let a;")
    status, headers, body = ask(tmp_path, "/" + quote("söme name.js"))
    assert (status, headers["Content-Type"], body) == (200, "text/javascript", b"let a;")


@pytest.mark.parametrize(
    ("asked", "status", "body", "message"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
def test_parts_of_files(asked: str, status: int, body: bytes, message: str | None, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"0123456789")
    found = ask(tmp_path, "/data.bin", range=asked)
    assert (found[0], found[2], found[1].get("Content-Range")) == (status, body, message)


def test_an_empty_file_is_answered_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    assert (ask(tmp_path, "/empty.mp4", range="bytes=0-")[0::2]) == (200, b"")


def test_nothing_outside_of_the_folder_is_served(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (project / "link.txt").symlink_to(tmp_path / "secret.txt")
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/link.txt", "//etc/passwd", "/missing", "/"):
        assert ask(project, path)[0] == 404, path


GERMAN = "<p>Grüße</p>"
LATIN = GERMAN.encode("latin-1")
ENCODED: dict[str, tuple[bytes, str]] = {
    "plain.html": (GERMAN.encode(), "text/html; charset=utf-8"),
    "plain.js": ("let a = 'ü'".encode(), "text/javascript; charset=utf-8"),
    "plain.css": ("p::after { content: 'ü' }".encode(), "text/css; charset=utf-8"),
    "plain.svg": ("<svg><text>ü</text></svg>".encode(), "image/svg+xml; charset=utf-8"),
    "plain.json": ('"ü"'.encode(), "application/json; charset=utf-8"),
    "plain.txt": ("ü".encode(), "text/plain; charset=utf-8"),
    "late.txt": (b"-" * 70_000 + "ü".encode(), "text/plain; charset=utf-8"),
    "in a comment.html": (f"<!-- <meta charset=latin1> -->{GERMAN}".encode(), "text/html; charset=utf-8"),
    "another meta.html": (f"<meta name=a content='charset=latin1'>{GERMAN}".encode(), "text/html; charset=utf-8"),
    "no encoding.html": (f"<meta charset=nonsense>{GERMAN}".encode(), "text/html; charset=utf-8"),
    "said late.html": (b"<p>" + b" " * 2000 + f"<meta charset=latin1>{GERMAN}".encode(), "text/html; charset=utf-8"),
    "ascii.html": (b"<p>Hello", "text/html"),
    "latin.html": (LATIN, "text/html"),
    "latin.js": ("let a = 'ü'".encode("latin-1"), "text/javascript"),
    "meta.html": (b"<meta charset=iso-8859-1>" + LATIN, "text/html"),
    "meta of utf-8.html": (f"<META CharSet='iso-8859-1'>{GERMAN}".encode(), "text/html"),
    "equiv.html": (
        b"<meta http-equiv=Content-Type content='text/html; charset=windows-1252'>" + GERMAN.encode(),
        "text/html",
    ),
    "head.html": (f"<title>{'-' * 2000}</title><meta charset=latin1>{GERMAN}".encode(), "text/html"),
    "utf-16.html": (GERMAN.encode("utf-16"), "text/html"),
    "bom.html": (GERMAN.encode("utf-8-sig"), "text/html"),
    "charset.css": (b'@charset "iso-8859-1"; p::after { content: "\xc3\xbc" }', "text/css"),
    "xml.svg": (b"<?xml version='1.0' encoding='iso-8859-1'?><svg><text>\xc3\xbc</text></svg>", "image/svg+xml"),
    "data.bin": ("ü".encode(), "application/octet-stream"),
}


@pytest.mark.parametrize("name", ENCODED)
def test_text_is_utf_8_unless_it_says_otherwise(name: str, tmp_path: Path) -> None:
    data, kind = ENCODED[name]
    (tmp_path / name).write_bytes(data)
    _, headers, body = ask(tmp_path, "/" + quote(name))
    assert (headers["Content-Type"], body) == (kind, data)


@pytest.mark.parametrize(
    ("name", "encoding", "head"),
    [
        ("plain", "utf-8", ""),
        ("bom", "utf-8-sig", ""),
        ("utf-16", "utf-16", ""),
        ("latin", "latin-1", "<meta charset=iso-8859-1>"),
        ("equiv", "cp1252", "<meta http-equiv=content-type content='text/html; charset=windows-1252'>"),
    ],
)
def test_a_page_reads_its_text_as_a_browser_does(name: str, encoding: str, head: str, tmp_path: Path) -> None:
    page = tmp_path / f"{name}.html"
    page.write_bytes(f"{head}<script src=text.js></script>Grüße".encode(encoding))
    (tmp_path / "text.js").write_text("window.said = 'é — 日本'", "utf-8")

    async def read() -> tuple[str, str]:
        async with open_page(Source.parse(page), (64, 64), "screenshot", tmp_path / "work") as opened:
            return await opened.evaluate("[document.body.innerText, said]")

    assert asyncio.run(read()) == ["Grüße", "é — 日本"]
