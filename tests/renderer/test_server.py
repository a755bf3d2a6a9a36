"""The folder that a page can reach."""

import http.client
from pathlib import Path
from urllib.parse import quote

import pytest

from helios.renderer.server import serve


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
    ("asked", "status", "body", "said"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
def test_parts_of_files(asked: str, status: int, body: bytes, said: str | None, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"0123456789")
    found = ask(tmp_path, "/data.bin", range=asked)
    assert (found[0], found[2], found[1].get("Content-Range")) == (status, body, said)


def test_nothing_outside_of_the_folder_is_served(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (project / "link.txt").symlink_to(tmp_path / "secret.txt")
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/link.txt", "//etc/passwd", "/missing", "/"):
        assert ask(project, path)[0] == 404, path
