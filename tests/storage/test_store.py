"""Artifacts are there whole or not at all, once, and for good."""

import asyncio
import itertools
import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from helios.errors import ArtifactMissing, OutputError, StoreError, UsageError
from helios.storage import ArtifactStore
from helios.storage.store import TRIES
from support.gcs_server import gcs_server

T = TypeVar("T")


@pytest.fixture(scope="module")
def gcs() -> Iterator[str]:
    with gcs_server("videos") as url:
        yield url


@pytest.fixture(params=["file", "path", "memory", "gs"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "gs":
        request.getfixturevalue("gcs")
    kinds: dict[str, str | Path] = {
        "file": f"file://{tmp_path}/a%20store",
        "path": tmp_path / "a store",
        "memory": "memory://",
        "gs": f"gs://videos/{tmp_path.name}",
    }
    return ArtifactStore.at(kinds[request.param])


def run(work: Awaitable[T]) -> T:
    async def wait() -> T:
        return await work

    return asyncio.run(wait())


def test_what_is_put_is_got(store: ArtifactStore, tmp_path: Path) -> None:
    async def work() -> None:
        file = tmp_path / "file"
        file.write_bytes(b"\0\xff" * 5_000_000)
        await store.put("a/b/c.json", b"one")
        await store.put("a/b/c.json", b"two")
        await store.put("a/file", file)
        assert await store.get("a/b/c.json") == b"two"
        assert await store.get("a/file") == file.read_bytes()
        await store.fetch("a/file", tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == file.read_bytes()
        assert await store.sizes("a") == {"a/b/c.json": 3, "a/file": 10_000_000}
        assert await store.sizes("a/b") == {"a/b/c.json": 3}
        assert await store.sizes("none") == {}
        await store.delete(["a/b/c.json", "a/none"])
        assert await store.sizes("a") == {"a/file": 10_000_000}

    run(work())


def test_what_is_not_there_is_said(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing, match="could not get a/b"):
        run(store.get("a/b"))
    with pytest.raises(ArtifactMissing):
        run(store.fetch("a/b", tmp_path / "copy"))
    assert list(tmp_path.glob("copy*")) == []


def test_of_many_that_put_the_same_key_one_wins(store: ArtifactStore) -> None:
    async def work() -> None:
        won = await asyncio.gather(*(store.put_new("key", str(k).encode()) for k in range(24)))
        assert won.count(True) == 1
        assert await store.get("key") == str(won.index(True)).encode()

    run(work())


def test_a_copy_is_not_the_artifact(store: ArtifactStore, tmp_path: Path) -> None:
    async def work() -> None:
        await store.put("key", b"first")
        await store.fetch("key", tmp_path / "copy")
        await store.put("key", b"second")
        assert (tmp_path / "copy").read_bytes() == b"first"
        await store.fetch("key", tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == b"second"

    run(work())


@pytest.mark.parametrize("url", ["ftp://host/a", "nowhere://"])
def test_another_kind_of_store_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match=url):
        ArtifactStore.at(url)


def test_a_folder_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be stored"):
        ArtifactStore.at(tmp_path / "file" / "folder")


@pytest.mark.parametrize("key", ["../a", "a/../../b"])
def test_a_key_does_not_leave_the_store(key: str, tmp_path: Path) -> None:
    store = ArtifactStore.at(tmp_path / "store")
    with pytest.raises((StoreError, UsageError, ValueError)):
        run(store.put(key, b"x"))
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def flaky() -> Callable[[], Awaitable[None]]:
    """Of four requests one fails and one is not answered, never more one after the other."""
    kinds = itertools.cycle(["fails", "hangs", "is fine", "is fine"])

    async def before() -> None:
        kind = next(kinds)
        if kind == "fails":
            raise OSError("connection lost")
        if kind == "hangs":
            await asyncio.sleep(60)

    return before


def test_a_store_that_fails_or_hangs_is_asked_again(tmp_path: Path) -> None:
    store = ArtifactStore.at(tmp_path, timeout=0.2, before=flaky())  # the disk's own answers may take so long too

    async def work() -> None:
        for k in range(4):
            await store.put_new(f"key/{k}", str(k).encode())  # False, if it was there before its time was over
        assert {await store.get(f"key/{k}") for k in range(4)} == {str(k).encode() for k in range(4)}

    run(work())


def test_a_store_that_never_answers_is_given_up(tmp_path: Path) -> None:
    asked: list[int] = []

    async def before() -> None:
        asked.append(1)
        await asyncio.sleep(60)

    store = ArtifactStore.at(tmp_path, timeout=0.01, before=before)
    with pytest.raises(StoreError, match=f"could not get key, {TRIES} times: no answer in 0.01 s") as caught:
        run(store.get("key"))
    assert len(asked) == TRIES
    assert caught.value.retryable


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_said_and_nothing_is_half_there(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=True)
    try:
        store = ArtifactStore.at(small)
        big = tmp_path / "big"
        big.write_bytes(b"x" * 4_000_000)
        for data in (big, big.read_bytes()):
            with pytest.raises(OutputError, match="the disk is full"):
                run(store.put("key", data))
        assert run(store.sizes("key")) == {}
        assert run(store.put_new("small", b"x"))
    finally:
        subprocess.run(["umount", "--lazy", small], check=True)


def test_what_is_put_is_on_the_disk_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    store = ArtifactStore.at(tmp_path)
    run(store.put_new("a/b/key", b"x"))
    assert synced == [str(path) for path in (tmp_path / "a/b/key", tmp_path / "a/b", tmp_path / "a", tmp_path)]


def test_any_value_passes(store: ArtifactStore) -> None:
    values: list[Any] = [b"", b"\0", "\u00e9".encode(), os.urandom(100)]

    async def work() -> None:
        for k, value in enumerate(values):
            assert await store.put_new(f"k{k}", value)
            assert await store.get(f"k{k}") == value

    run(work())
