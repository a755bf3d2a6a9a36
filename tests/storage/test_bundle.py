"""Bundles: what is packed comes out the same, and nothing else comes out of one."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from helios.errors import UsageError
from helios.storage import pack, unpack


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def with_nul(name: str) -> tarfile.TarInfo:
    info = entry("plain")
    info.pax_headers = {"path": name}
    return info


def sparse(name: str) -> tarfile.TarInfo:
    info = entry(name)
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,1"}
    return info


def archive(path: Path, *entries: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as packed:
        for found in entries:
            content = b"text" if found.isreg() else b""
            found.size = len(content)
            packed.addfile(found, io.BytesIO(content))
    return path


def unpacked(path: Path, folder: Path) -> None:
    with path.open("rb") as file:
        unpack(file, folder)


def test_a_folder_comes_out_as_it_was_packed(tmp_path: Path) -> None:
    page = tmp_path / "page"
    (page / "a" / "b").mkdir(parents=True)
    contents = {"index.html": b"<p>", "a/b/\u00e4 b.txt": b"text", "a/" + "x" * 200: b"long", "a/empty": b""}
    for name, content in contents.items():
        (page / name).write_bytes(content)
    (page / "index.html").chmod(0o755)
    bundle = pack(page, tmp_path / "bundle")
    unpacked(bundle.path, tmp_path / "out")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {str(path.relative_to(tmp_path / "out")): path.read_bytes() for path in files} == contents
    assert {path.stat().st_mode & 0o7777 for path in files} == {0o644}


@pytest.mark.parametrize(
    ("entries", "named"),
    [
        ([entry("../escaped")], "'../escaped'"),
        ([entry("a/../../escaped")], "'a/../../escaped'"),
        ([entry("/tmp/escaped")], "'/tmp/escaped'"),
        ([entry("a//b")], "'a//b'"),
        ([entry("./a")], "'./a'"),
        ([entry("..")], "'..'"),
        ([with_nul("a\0b")], "'a.*b'"),
        ([entry("link", tarfile.SYMTYPE, "/etc/passwd")], "'link'"),
        ([entry("link", tarfile.SYMTYPE, "a"), entry("link/b")], "'link'"),
        ([entry("a"), entry("link", tarfile.LNKTYPE, "a")], "'link'"),
        ([entry("folder", tarfile.DIRTYPE)], "'folder'"),
        ([entry("pipe", tarfile.FIFOTYPE)], "'pipe'"),
        ([entry("device", tarfile.CHRTYPE)], "'device'"),
        ([entry("device", tarfile.BLKTYPE)], "'device'"),
        ([entry("contiguous", tarfile.CONTTYPE)], "'contiguous'"),
        ([sparse("sparse")], "'sparse'"),
        ([entry("a"), entry("a")], "'a'"),
        ([entry("a"), entry("a/b")], "'a/b'"),
        ([entry("a/b"), entry("a")], "'a'"),
    ],
)
def test_what_pack_never_writes_is_refused(entries: list[tarfile.TarInfo], named: str, tmp_path: Path) -> None:
    evil = archive(tmp_path / "evil", *entries)
    (tmp_path / "below").mkdir()
    with pytest.raises(UsageError, match=f"this is no bundle: .*{named}"):
        unpacked(evil, tmp_path / "below" / "folder")
    assert {path.name for path in tmp_path.iterdir()} == {"evil", "below"}
    assert not Path("/tmp/escaped").exists()
    assert not [path for path in tmp_path.rglob("*") if path.is_symlink()]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: b"not an archive", id="text"),
        pytest.param(lambda content: content[: len(content) // 2], id="half"),
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: content[:100] + bytes(200) + content[300:], id="damaged"),
    ],
)
def test_what_can_not_be_read_is_no_bundle(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "a").write_bytes(bytes(range(256)) * 8 + Path(__file__).read_bytes())
    bundle = pack(tmp_path / "page", tmp_path / "bundle")
    bundle.path.write_bytes(damage(bundle.path.read_bytes()))
    with pytest.raises(UsageError, match="this is no bundle"):
        unpacked(bundle.path, tmp_path / "out")
