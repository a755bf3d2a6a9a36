"""The project folder is uploaded once for all chunks, and again where that failed."""

import asyncio
from pathlib import Path

import pytest

from helios.adapters.aws.adapter import AwsLambdaAdapter
from helios.errors import StoreError
from helios.orchestrator.remote import RemoteDispatcher
from helios.storage import ArtifactStore


@pytest.fixture
def page(tmp_path: Path) -> Path:
    folder = tmp_path / "page"
    folder.mkdir()
    (folder / "index.html").write_text("<p>a")
    return folder


def test_a_failed_upload_is_repeated_by_the_next_attempt(page: Path, tmp_path: Path) -> None:
    failures = ["the bucket is away", "it is still away"]

    async def before() -> None:
        if failures:
            raise StoreError(failures.pop(0))

    async def work() -> None:
        store = ArtifactStore.at(tmp_path / "store", before=before)
        dispatcher = RemoteDispatcher(AwsLambdaAdapter(None, "helios", store), store, page)
        first = await asyncio.gather(*(dispatcher.input_version() for _ in range(3)), return_exceptions=True)
        assert [str(error) for error in first] == ["the bucket is away"] * 3, "attempts at one time share an upload"
        with pytest.raises(StoreError, match="still away"):
            await dispatcher.input_version()
        assert len(await dispatcher.input_version()) == 12

    asyncio.run(work())


def test_an_upload_goes_on_when_an_attempt_that_waits_for_it_is_cancelled(page: Path, tmp_path: Path) -> None:
    requests = 0
    started, go = asyncio.Event(), asyncio.Event()

    async def before() -> None:
        nonlocal requests
        requests += 1
        started.set()
        await go.wait()

    async def work() -> None:
        store = ArtifactStore.at(tmp_path / "store", before=before)
        dispatcher = RemoteDispatcher(AwsLambdaAdapter(None, "helios", store), store, page)
        first, second = (asyncio.create_task(dispatcher.input_version()) for _ in range(2))
        await started.wait()
        first.cancel()
        go.set()
        version = await second
        count = requests
        assert await dispatcher.input_version() == version
        assert requests == count

    asyncio.run(work())
