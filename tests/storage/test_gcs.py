"""What is Google Cloud Storage's own: buckets, credentials, connections."""

import asyncio
import os
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from helios.errors import StoreError, UsageError
from helios.storage import ArtifactStore
from helios.storage.threads import SILENCE
from support.gcs_server import gcs_server
from support.google_identity import google


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials here, and no way to Google."""
    for name in [name for name in os.environ if name.startswith(("GOOGLE_", "CLOUDSDK_", "STORAGE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_GCE_CHECK", "true")


def test_two_prefixes_of_a_bucket_are_two_stores() -> None:
    async def work() -> None:
        one, other = ArtifactStore.at("gs://videos/one"), ArtifactStore.at("gs://videos/one-more/")
        await one.put("jobs/1", b"1")
        await other.put("jobs/2", b"22")
        assert await one.sizes("jobs") == {"jobs/1": 1}
        assert await other.sizes("jobs") == {"jobs/2": 2}
        assert await other.sizes("") == {"jobs/2": 2}
        assert await ArtifactStore.at("gs://videos").sizes("one") == {"one/jobs/1": 1}

    with gcs_server("videos"):
        asyncio.run(work())


def test_more_than_a_page_is_listed_and_written_at_once() -> None:
    async def work() -> None:
        store = ArtifactStore.at("gs://videos/many")
        await asyncio.gather(*(store.put_new(f"chunks/{k}", b"x" * (k % 3)) for k in range(1100)))
        assert await store.sizes("chunks") == {f"chunks/{k}": k % 3 for k in range(1100)}

    with gcs_server("videos"):
        asyncio.run(work())


def test_a_bucket_that_is_not_there_is_said_at_once() -> None:
    with gcs_server("videos"):
        store = ArtifactStore.at("gs://video/a")
        with pytest.raises(StoreError, match="gs://video/a could not put key") as caught:
            asyncio.run(store.put("key", b"x"))
    assert "times" not in str(caught.value)


@pytest.mark.parametrize("key", ["../a", "a/../../b", "a//b", ""])
def test_a_key_stays_below_the_prefix(key: str) -> None:
    with gcs_server("videos"), pytest.raises(StoreError, match="no key"):
        asyncio.run(ArtifactStore.at("gs://videos/a").put(key, b"x"))


def test_a_url_without_a_bucket_is_refused() -> None:
    with pytest.raises(UsageError, match="names no bucket"):
        ArtifactStore.at("gs:///a")


@pytest.mark.usefixtures("elsewhere")
def test_without_credentials_the_next_step_is_said() -> None:
    with pytest.raises(UsageError, match="gcloud auth application-default login"):
        ArtifactStore.at("gs://videos/a")


@pytest.mark.usefixtures("elsewhere")
def test_the_credentials_are_those_of_all_of_googles_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def work() -> None:
        with pytest.raises(StoreError, match=r"could not get key, 5 times: .*[Pp]roxy"):
            await ArtifactStore.at("gs://videos/a").get("key")

    with google() as here:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(here.key_file(tmp_path / "key.json")))
        asyncio.run(work())
        assert "/token" in here.asked


@pytest.mark.usefixtures("elsewhere")
def test_a_key_that_was_taken_back_is_said_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with google() as here:
        key = here.key_file(tmp_path / "key.json")
        key.write_text(key.read_text().replace("/token", "/revoked"))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        with pytest.raises(StoreError) as caught:
            asyncio.run(ArtifactStore.at("gs://videos/a").get("key"))
    assert "times" not in str(caught.value)


def test_a_storage_that_does_not_answer_holds_nobody_up() -> None:
    """The program ends although threads still wait for an answer."""
    program = """
        import asyncio
        from helios.errors import StoreError
        from helios.storage import ArtifactStore

        try:
            asyncio.run(ArtifactStore.at("gs://videos/a", timeout=0.05).get("key"))
        except StoreError as error:
            print(error)
    """
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        env = {**os.environ, "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        command = [sys.executable, "-c", textwrap.dedent(program)]
        before = time.monotonic()
        message = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert "no answer in 0.05 s" in message.stdout
    assert message.stderr == ""
    assert time.monotonic() - before < SILENCE
