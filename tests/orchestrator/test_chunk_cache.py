"""The cache stores a chunk once, and returns it only while its inputs are unchanged."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest

from helios.errors import PageChanged
from helios.orchestrator.chunk_cache import CacheEntry, CacheKey, ChunkCache, ChunkOutput, ChunkStats, Damaged
from helios.renderer.messages import Stamp
from helios.storage import ArtifactStore
from helios.storage.obstores import ObstoreObjects
from helios.worker import Artifact

T = TypeVar("T")
KEY = CacheKey("kind", "000-010")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "page.html").write_text("<p>one")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore.at(tmp_path / "store")


def stamp(path: Path) -> Stamp:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def make(
    root: Path, data: bytes = b"segment", *, attempt: str = "job-1", uses_external_resources: bool = False
) -> ChunkOutput:
    segment = root.parent / f"output-{data.decode()}.mp4"
    segment.write_bytes(data)
    used: dict[str, Stamp | None] = {"page.html": stamp(root / "page.html"), "none.png": None}
    return ChunkOutput(
        Artifact.of(segment, KEY.artifact_key(attempt, ".mp4")),
        segment,
        ChunkStats(frames=10, hashes=("a", "b")),
        used,
        uses_external_resources,
    )


def run(work: Awaitable[T]) -> T:
    async def wait() -> T:
        return await work

    return asyncio.run(wait())


async def found(store: ArtifactStore, root: Path, job: str = "job", *, fresh: bool = False) -> CacheEntry | None:
    """The entry that a new process finds."""
    cache = ChunkCache(store, job, root, fresh=fresh)
    await cache.load([KEY.folder])
    return await cache.find(KEY)


def commit(store: ArtifactStore, root: Path, output: ChunkOutput, job: str = "job", **how: bool) -> CacheEntry:
    return run(ChunkCache(store, job, root, **how).commit(KEY, output))


def test_another_process_finds_a_committed_chunk(store: ArtifactStore, root: Path, tmp_path: Path) -> None:
    assert run(found(store, root)) is None
    entry = commit(store, root, make(root))
    assert run(found(store, root)) == entry
    assert run(found(store, root, "another job")) == entry
    cache = ChunkCache(store, "job", root)
    run(cache.download(entry, tmp_path / "downloaded"))
    assert (tmp_path / "downloaded").read_bytes() == b"segment"
    assert run(cache.stats(KEY, entry)) == ChunkStats(frames=10, hashes=("a", "b"))


def test_the_first_of_two_attempts_to_commit_wins_and_the_other_leaves_nothing(
    store: ArtifactStore, root: Path
) -> None:
    first = commit(store, root, make(root, b"first"))
    second = commit(store, root, make(root, b"second", attempt="job-2"))
    assert second == first
    segments = [key for key in run(store.sizes("segments")) if key.endswith(".mp4")]
    assert segments == [first.segment]


def test_parallel_commits_agree_on_one_segment(store: ArtifactStore, root: Path) -> None:
    async def work() -> None:
        caches = [ChunkCache(store, "job", root) for _ in range(12)]
        outputs = [make(root, f"{k}".encode(), attempt=f"job-{k}") for k in range(12)]
        entries = await asyncio.gather(*(cache.commit(KEY, outputs[k]) for k, cache in enumerate(caches)))
        assert len({entry.segment for entry in entries}) == 1
        keys = await store.sizes("segments")
        assert [key for key in keys if key.endswith(".mp4")] == [entries[0].segment]

    run(work())


def test_a_damaged_segment_is_not_committed(store: ArtifactStore, root: Path) -> None:
    output = make(root)
    assert output.path
    output.path.write_bytes(b"segmenT")
    with pytest.raises(Damaged) as caught:
        commit(store, root, output)
    assert caught.value.retryable
    assert run(store.sizes("segments")) == {}


def test_a_segment_without_an_entry_is_not_found(store: ArtifactStore, root: Path) -> None:
    entry = commit(store, root, make(root))
    (key,) = [key for key in run(store.sizes("segments")) if key.endswith(f".{entry.inputs}.json")]
    run(store.delete([key]))
    assert run(found(store, root)) is None
    assert commit(store, root, make(root, attempt="job-2")).segment != entry.segment
    assert run(found(store, root))


@pytest.mark.parametrize("damage", ["gone", "cut off", "no entry"])
def test_a_damaged_entry_is_deleted_and_the_chunk_committed_again(
    damage: str, store: ArtifactStore, root: Path, tmp_path: Path
) -> None:
    entry = commit(store, root, make(root))
    segment = tmp_path / "store" / entry.segment
    if damage == "gone":
        segment.unlink()
    elif damage == "cut off":
        segment.write_bytes(b"seg")
    else:
        (path,) = segment.parent.glob(f"000-010.{entry.inputs}.json")
        path.write_text(path.read_text()[:50])
    assert run(found(store, root)) is None
    again = commit(store, root, make(root, attempt="job-2"))
    assert run(found(store, root)) == again


class Lagging(ObstoreObjects):
    """A folder whose listings lag behind: they leave segments out, or show an earlier size."""

    shown: ClassVar[dict[str, int]] = {}

    async def sizes(self, prefix: str) -> dict[str, int]:
        listed = await super().sizes(prefix)
        return {key: size for key, size in listed.items() if not key.endswith(".mp4")} | self.shown


@pytest.mark.parametrize("listing", ["without it", "of an earlier size"])
def test_a_listing_that_lags_behind_costs_no_chunk(
    listing: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "lagging"
    folder.mkdir()
    store = ArtifactStore(Lagging.of_folder(folder), f"file://{folder}", root=folder)
    entry = commit(store, root, make(root))
    if listing == "of an earlier size":
        monkeypatch.setattr(Lagging, "shown", {entry.segment: 3})
    assert run(found(store, root)) == entry
    assert run(found(store, root)) == entry, "its entry is still there"
    (folder / entry.segment).unlink()
    assert run(found(store, root)) is None
    assert commit(store, root, make(root, attempt="job-2")).segment != entry.segment


def test_a_chunk_of_other_files_is_not_found(store: ArtifactStore, root: Path) -> None:
    page, missing = root / "page.html", root / "none.png"
    first = commit(store, root, make(root))
    page.write_text("<p>two")
    assert run(found(store, root)) is None
    second = commit(store, root, make(root, attempt="job-2"))
    assert run(found(store, root)) == second != first
    page.write_text("<p>one")
    assert run(found(store, root)) == first, "both are cached"
    missing.write_text("it is there now")
    assert run(found(store, root)) is None
    (root / "unused.txt").write_text("x")
    missing.unlink()
    assert run(found(store, root)) == first


def test_a_file_that_changes_during_an_attempt_fails_it(store: ArtifactStore, root: Path) -> None:
    output = make(root)
    (root / "page.html").write_text("<p>changed")
    with pytest.raises(PageChanged, match=r"page.html changed") as caught:
        commit(store, root, output)
    assert caught.value.retryable


def test_chunks_of_different_files_are_not_joined(store: ArtifactStore, root: Path) -> None:
    async def work() -> None:
        cache = ChunkCache(store, "job", root)
        first = await cache.commit(KEY, make(root))
        await cache.check([first])
        (root / "page.html").write_text("<p>two")
        second = await cache.commit(CacheKey("kind", "010-020"), make(root, attempt="job-2"))
        with pytest.raises(PageChanged, match="while it was rendered"):
            await cache.check([first, second])
        await cache.check([second])

    run(work())


def test_a_chunk_with_external_resources_is_cached_for_its_job_alone(store: ArtifactStore, root: Path) -> None:
    entry = commit(store, root, make(root, uses_external_resources=True))
    assert run(found(store, root)) == entry
    assert run(found(store, root, "another job")) is None


def test_a_fresh_job_finds_its_own_chunks_and_no_other_job_does(store: ArtifactStore, root: Path) -> None:
    commit(store, root, make(root, b"old", attempt="old-1"), "old")
    assert run(found(store, root, "new", fresh=True)) is None
    entry = commit(store, root, make(root, b"new", attempt="new-1"), "new", fresh=True)
    assert run(found(store, root, "new", fresh=True)) == entry
    assert run(found(store, root, "other", fresh=True)) is None
    other = run(found(store, root, "other"))
    assert other
    assert other.segment.endswith(".old-1.mp4")
