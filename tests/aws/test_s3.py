"""S3, by the settings that every AWS tool reads: large files, conditions, credentials."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from helios.errors import ArtifactMissing, StoreError, UsageError
from helios.storage import ArtifactStore
from support.motoserver import moto_server


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        s3: Any = boto3.client("s3", region_name="eu-central-1")
        s3.create_bucket(Bucket="videos", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield url


@pytest.mark.usefixtures("moto")
@pytest.mark.parametrize("size", [0, 1000, 30_000_000])
def test_a_file_comes_back_as_it_was_however_large(size: int, tmp_path: Path) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(os.urandom(size))

    async def work() -> None:
        store = ArtifactStore.at("s3://videos/a folder")
        assert await store.put_new(f"new/{size}", there)
        assert not await store.put_new(f"new/{size}", there), "it is there already"
        await store.put(f"over/{size}", there)
        await store.put(f"over/{size}", there)
        assert (await store.sizes("over"))[f"over/{size}"] == size
        assert await store.has(f"new/{size}")
        assert not await store.has("new/none")
        for key in (f"new/{size}", f"over/{size}"):
            await store.fetch(key, back)
            assert back.read_bytes() == there.read_bytes()
        await store.delete([f"new/{size}", f"over/{size}", "new/none"])
        with pytest.raises(ArtifactMissing):
            await store.get(f"new/{size}")

    asyncio.run(work())


@pytest.mark.usefixtures("moto")
def test_of_many_writers_one_wins() -> None:
    async def work() -> None:
        store = ArtifactStore.at("s3://videos/race")
        won = await asyncio.gather(*(store.put_new("key", f"{k}".encode()) for k in range(24)))
        assert won.count(True) == 1
        assert await store.get("key") == f"{won.index(True)}".encode()

    asyncio.run(work())


@pytest.mark.usefixtures("moto")
def test_what_s3_refuses_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = ArtifactStore.at("s3://no-such-bucket/a")
    for ask in (nowhere.put("key", b"data"), nowhere.get("key")):
        with pytest.raises(StoreError, match=r"no-such-bucket/a .*: The specified bucket does not exist"):
            asyncio.run(ask)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(UsageError, match=r"no AWS credentials here \(aws configure"):
        ArtifactStore.at("s3://videos/a")


def test_why_s3_lets_somebody_not_in_is_said(moto: str) -> None:
    httpx.post(f"{moto}/moto-api/reset-auth", content=b"0").raise_for_status()  # from now on keys are looked at
    try:
        with pytest.raises(StoreError, match=r"Access Key Id you provided does not exist .*\(InvalidAccessKeyId\)"):
            asyncio.run(ArtifactStore.at("s3://videos/a").put("key", b"data"))
    finally:
        httpx.post(f"{moto}/moto-api/reset-auth", content=b"inf").raise_for_status()
