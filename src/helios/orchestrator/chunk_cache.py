"""The cache of chunks: segments in the artifact store, each committed once under a key of everything it depends on.

    segments/<shared>/<chunk>.<attempt><suffix>   a segment: each attempt writes to its own name
    segments/<shared>/<chunk>.<attempt>.report    the report of a worker without our disk
    segments/<shared>/<chunk>.<inputs>.json       its cache entry: the commit, by conditional put
    segments/<shared>/inputs-<inputs>.json        the files that chunks depend on, by content

``shared`` is a digest of what all chunks of a video have in common. An entry is written after its segment, so that
its segment is complete. A segment without an entry belongs to no job.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from helios.errors import ArtifactMissing, HeliosError, PageChanged, WorkerError
from helios.renderer.messages import FrameFingerprint, Stamp
from helios.storage import ArtifactStore
from helios.worker import Artifact

REPORT = ".report"


class Damaged(WorkerError):
    """A segment is not what its worker wrote."""

    code = "damaged"
    retryable = True


@dataclass(frozen=True, slots=True)
class CacheKey:
    """The cache key of a chunk: ``shared`` is a digest of all that it has in common with other chunks."""

    shared: str
    name: str

    @property
    def folder(self) -> str:
        """The prefix of the keys of all chunks with the same ``shared``."""
        return f"segments/{self.shared}"

    def artifact_key(self, attempt: str, suffix: str) -> str:
        """The key of a file that an attempt writes; ``attempt`` is its unique name."""
        return f"{self.folder}/{self.name}.{attempt}{suffix}"


class ChunkStats(BaseModel):
    """The statistics of a rendered chunk: see ``ChunkReport``. A command reports nothing about its frames."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int
    hashes: tuple[str, ...] = ()
    first: FrameFingerprint | None = None
    next_frame: FrameFingerprint | None = None
    repeated: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChunkOutput:
    """A rendered chunk, before it is committed.

    ``artifact`` is the segment as its worker saw it; it is at ``path``, or, without one, in the store already. ``used``
    are the files of the project folder that it depends on. One that ``uses_external_resources`` is cached for its own
    job only.
    """

    artifact: Artifact
    path: Path | None
    stats: ChunkStats
    used: dict[str, Stamp | None]
    uses_external_resources: bool


class CacheEntry(BaseModel):
    """A committed chunk: its segment's key, size (bytes) and SHA-256, and its statistics."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    segment: str
    size: int
    digest: str
    inputs: str
    stats: ChunkStats


class _Inputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    files: dict[str, str | None]
    job: str | None


class Files:
    """The SHA-256 of the files of a folder. Each file is read once as long as it does not change."""

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._known: dict[tuple[str, Stamp], str] = {}

    def digest(self, name: str, stamp: Stamp | None = None) -> str | None:
        """The SHA-256 of a file in hexadecimal; None if there is no such file.

        Raises:
            PageChanged: it has changed since ``stamp``.
        """
        assert self._root, "only files of a folder are used"
        path = self._root / name
        found = self._stamp(path)
        if stamp is not None and found != stamp:
            raise PageChanged(f"{name} changed while it was being used")
        if found is None:
            return None
        if (name, found) not in self._known:
            digest = file_digest(path)
            if self._stamp(path) != found:
                raise PageChanged(f"{name} changed while it was being read")
            self._known[name, found] = digest
        return self._known[name, found]

    def _stamp(self, path: Path) -> Stamp | None:
        try:
            found = path.stat()
        except OSError:
            return None
        return (found.st_size, found.st_mtime_ns) if path.is_file() else None


class ChunkCache:
    """The committed chunks of a job in ``store``. ``root`` is the folder whose files its page uses.

    A ``fresh`` job reads no chunks of other jobs, and leaves none to them.
    """

    def __init__(self, store: ArtifactStore, job: str, root: Path | None, *, fresh: bool = False) -> None:
        self._fresh = fresh
        self._store = store
        self._job = job
        self._files = Files(root)
        self._sizes: dict[str, int] = {}
        self._entry_keys: dict[tuple[str, str], list[str]] = {}
        self._inputs: dict[str, bool] = {}

    async def load(self, folders: Iterable[str]) -> None:
        """Lists the entries and segments of ``folders``."""
        for folder in sorted(set(folders)):
            found = await self._store.sizes(folder)
            self._sizes.update(found)
            for key in found:
                name, _, inputs = key.removesuffix(".json").rpartition("/")[2].partition(".")
                if key.endswith(".json") and inputs:
                    self._entry_keys.setdefault((folder, name), []).append(key)

    async def find(self, cache_key: CacheKey) -> CacheEntry | None:
        """The entry of a chunk, if it was rendered from the files as they are now, and its segment is complete."""
        for key in self._entry_keys.get((cache_key.folder, cache_key.name), ()):
            inputs = key.removesuffix(".json").rpartition(".")[2]
            if not await self._is_current(cache_key.folder, inputs):
                continue
            entry = await self._entry(key)
            if entry and await self._is_complete(entry):
                return entry
            await self._store.delete([key])  # damaged, or its segment is gone: it must be possible to commit it again
        return None

    def uncommitted(self, cache_key: CacheKey, attempts: str) -> list[str]:
        """The attempts with the prefix ``attempts`` that a worker has finished and no runner has committed."""
        prefix = f"{cache_key.folder}/{cache_key.name}.{attempts}"
        return [
            key.removesuffix(REPORT).rpartition("/")[2].removeprefix(f"{cache_key.name}.")
            for key in self._sizes
            if key.startswith(prefix) and key.endswith(REPORT)
        ]

    async def commit(self, cache_key: CacheKey, output: ChunkOutput) -> CacheEntry:
        """Puts a chunk into the store, unless another attempt has. Returns the entry in the store.

        Raises:
            Damaged, PageChanged: it must be rendered again.
            StoreError, OutputError: it can't be stored.
        """
        segment, size = output.artifact.key, output.artifact.size
        if output.path and await asyncio.to_thread(file_digest, output.path) != output.artifact.digest:
            raise Damaged(f"{output.path.name} is not what its worker wrote")
        inputs = await self._put_inputs(cache_key.folder, output)
        if output.path:
            await self._store.put(segment, output.path)
        entry = CacheEntry(segment=segment, size=size, digest=output.artifact.digest, inputs=inputs, stats=output.stats)
        key = f"{cache_key.folder}/{cache_key.name}.{inputs}.json"
        if not await self._store.put_new(key, entry.model_dump_json().encode()):
            there = await self._entry(key)
            if there and there.segment != segment:
                with contextlib.suppress(HeliosError):
                    await self._store.delete([segment])
                return there
        self._sizes[segment] = size
        return entry

    async def download(self, entry: CacheEntry, path: Path) -> None:
        """Copies a segment to ``path``.

        Raises:
            Damaged: it has changed since it was committed. Its entry is deleted.
        """
        await self._store.fetch(entry.segment, path)
        if await asyncio.to_thread(file_digest, path) != entry.digest:
            folder, _, name = entry.segment.rpartition("/")
            await self._store.delete([f"{folder}/{name.partition('.')[0]}.{entry.inputs}.json"])
            raise Damaged(f"{entry.segment} has changed since it was rendered")

    async def stats(self, cache_key: CacheKey, entry: CacheEntry) -> ChunkStats:
        """All statistics of a chunk, from the store: with each frame's hash, they are too big to hold for all."""
        found = await self._entry(f"{cache_key.folder}/{cache_key.name}.{entry.inputs}.json")
        if not found:
            raise ArtifactMissing(f"the cache entry of {entry.segment} is gone")
        return found.stats

    async def check(self, entries: Iterable[CacheEntry]) -> None:
        """Checks that all chunks were rendered from the same files.

        Raises:
            PageChanged: they were not.
        """
        folders = {(entry.segment.rpartition("/")[0], entry.inputs) for entry in entries}
        self._inputs.clear()
        for folder, inputs in sorted(folders):
            if not await self._is_current(folder, inputs):
                raise PageChanged("a file of the page changed while it was rendered: render it again")

    async def _is_complete(self, entry: CacheEntry) -> bool:
        """Whether the store has the segment. The store is asked for it, as a listing may lag behind."""
        if self._sizes.get(entry.segment) != entry.size:
            try:
                self._sizes[entry.segment] = await self._store.size(entry.segment)
            except ArtifactMissing:
                return False
        return self._sizes[entry.segment] == entry.size

    async def _entry(self, key: str) -> CacheEntry | None:
        try:
            return CacheEntry.model_validate_json(await self._store.get(key))
        except (ArtifactMissing, ValidationError):
            return None

    async def _put_inputs(self, folder: str, output: ChunkOutput) -> str:
        files = await asyncio.to_thread(
            lambda: {name: self._files.digest(name, stamp) for name, stamp in sorted(output.used.items())}
        )
        inputs = _Inputs(files=files, job=self._job if output.uses_external_resources or self._fresh else None)
        text = json.dumps(inputs.model_dump(), sort_keys=True)
        digest = short_digest(text)
        if digest not in self._inputs:
            await self._store.put(f"{folder}/inputs-{digest}.json", text.encode())
            self._inputs[digest] = True
        return digest

    async def _is_current(self, folder: str, digest: str) -> bool:
        """Whether the files that a chunk depends on are unchanged."""
        if digest not in self._inputs:
            self._inputs[digest] = await self._compare(f"{folder}/inputs-{digest}.json")
        return self._inputs[digest]

    async def _compare(self, key: str) -> bool:
        try:
            inputs = _Inputs.model_validate_json(await self._store.get(key))
        except (ArtifactMissing, ValidationError):
            return False
        if inputs.job != self._job and (self._fresh or inputs.job is not None):
            return False

        def compare() -> bool:
            return all(self._files.digest(name) == digest for name, digest in inputs.files.items())

        return await asyncio.to_thread(compare)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def short_digest(text: str) -> str:
    """128 bits of the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
