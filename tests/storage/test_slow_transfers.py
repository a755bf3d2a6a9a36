"""A transfer may take as long as its bytes move; a connection that is silent is given up."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from helios.errors import StoreError
from helios.storage import ArtifactStore
from support.gcs_server import gcs_server
from support.motoserver import moto_server
from support.processes import wait_until
from support.slow_link import Link, slow_link

SILENCE_S = 2.5
TRANSFER_S = 6
SIZES = {"s3": (5_000_000, 12_000_000), "gs": (7_000_000,)}
"""Bytes that are sent in one request, and those that are sent in parts."""
LEADS = {"s3": "AWS_ENDPOINT_URL", "gs": "STORAGE_EMULATOR_HOST"}
TRANSFERS = [(kind, size) for kind, sizes in SIZES.items() for size in sizes]


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    with moto_server() as moto, gcs_server("videos") as gcs:
        s3: Any = boto3.client("s3", region_name="eu-central-1")
        s3.create_bucket(Bucket="videos", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield {"s3": moto, "gs": gcs}


def random_file(path: Path, size: int) -> Path:
    path.write_bytes(os.urandom(size))
    return path


def store(kind: str, server: str, timeout: float, patch: pytest.MonkeyPatch) -> ArtifactStore:
    patch.setenv(LEADS[kind], server)
    return ArtifactStore.at(f"{kind}://videos/slow", timeout=timeout)


@pytest.mark.parametrize(("kind", "size"), TRANSFERS)
@pytest.mark.parametrize("new", [False, True])
def test_an_upload_takes_as_long_as_it_has_to(
    kind: str, size: int, new: bool, servers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = random_file(tmp_path / "file", size)
    key = f"up/{size}/{new}"
    with slow_link(servers[kind], size / TRANSFER_S / (4 if size > 8_000_000 else 1)) as (url, link):
        slow = store(kind, url, SILENCE_S, monkeypatch)
        asyncio.run(slow.put_new(key, file) if new else slow.put(key, file))
        assert link.sent < 1.2 * size, "nothing is sent twice"
    assert asyncio.run(store(kind, servers[kind], 60, monkeypatch).get(key)) == file.read_bytes()


@pytest.mark.parametrize(("kind", "size"), TRANSFERS)
def test_a_download_takes_as_long_as_it_has_to(
    kind: str, size: int, servers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = random_file(tmp_path / "file", size)
    asyncio.run(store(kind, servers[kind], 60, monkeypatch).put("down", file))
    with slow_link(servers[kind], size / TRANSFER_S) as (url, _):
        asyncio.run(store(kind, url, SILENCE_S, monkeypatch).fetch("down", tmp_path / "copy"))
        assert (tmp_path / "copy").read_bytes() == file.read_bytes()


@pytest.mark.parametrize(("kind", "size"), TRANSFERS)
def test_a_download_that_breaks_off_goes_on_where_it_was(
    kind: str, size: int, servers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = random_file(tmp_path / "file", size)
    asyncio.run(store(kind, servers[kind], 60, monkeypatch).put("broken", file))
    with slow_link(servers[kind], 20_000_000, cut=0.8 * size) as (url, link):
        asyncio.run(store(kind, url, 20, monkeypatch).fetch("broken", tmp_path / "copy"))
        assert (tmp_path / "copy").read_bytes() == file.read_bytes()
        assert link.cut == float("inf"), "it did break off"
        assert link.received < 1.5 * size


@pytest.mark.parametrize(("kind", "size"), TRANSFERS)
@pytest.mark.parametrize("up", [True, False])
def test_a_connection_that_goes_silent_is_given_up(
    kind: str, size: int, up: bool, servers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = random_file(tmp_path / "file", size)
    asyncio.run(store(kind, servers[kind], 60, monkeypatch).put("silent", file))
    with slow_link(servers[kind], 20_000_000, silent=size / 2) as (url, _):
        silent = store(kind, url, 0.3, monkeypatch)
        with pytest.raises(StoreError, match=r"5 times: no answer in 0\.3 s") as caught:
            asyncio.run(silent.put("silent", file) if up else silent.fetch("silent", tmp_path / "copy"))
    assert caught.value.retryable
    assert list(tmp_path.iterdir()) == [file]
    assert asyncio.run(store(kind, servers[kind], 60, monkeypatch).get("silent")) == file.read_bytes()


@pytest.mark.parametrize("kind", SIZES)
def test_a_download_of_what_changes_meanwhile_is_of_one_version(
    kind: str, servers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = os.urandom(4_000_000), os.urandom(5_000_000)
    plain = store(kind, servers[kind], 60, monkeypatch)

    async def work(silent: ArtifactStore, link: Link) -> None:
        await plain.put("changing", first)
        bringing = asyncio.create_task(silent.fetch("changing", tmp_path / "copy"))
        await asyncio.to_thread(wait_until, lambda: link.received > 2_000_000, "half of it")
        await plain.put("changing", second)
        link.silent = float("inf")
        await bringing

    with slow_link(servers[kind], 20_000_000, silent=2_000_000) as (url, link):
        asyncio.run(work(store(kind, url, 1, monkeypatch), link))
    assert (tmp_path / "copy").read_bytes() in (first, second)
