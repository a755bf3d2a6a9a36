"""Which chunks are made: segments in the artifact store, each committed once under a key made of all that went into it.

    segments/<what all chunks share>/<chunk>.<attempt><suffix>   a segment: attempts write to names of their own
    segments/<what all chunks share>/<chunk>.<attempt>.report    what a worker without our disk says of it
    segments/<what all chunks share>/<chunk>.<inputs>.json       its record: the commit, by conditional put
    segments/<what all chunks share>/inputs-<inputs>.json        the files that went into chunks, by content

A record that is there is true: its segment was there before it. A segment without a record is nobody's.
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
    """A segment is not what its worker made."""

    code = "damaged"
    retryable = True


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chunk is kept: ``shared`` is a digest of all that it has in common with other chunks."""

    shared: str
    name: str

    @property
    def folder(self) -> str:
        """The prefix of all chunks of its kind."""
        return f"segments/{self.shared}"

    def key(self, attempt: str, suffix: str) -> str:
        """The key of a file of an attempt's own; ``attempt`` is a name that no other has."""
        return f"{self.folder}/{self.name}.{attempt}{suffix}"


class ChunkStats(BaseModel):
    """What is known of a chunk that was made: see ``ChunkReport``. A command tells nothing of its frames."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int
    hashes: tuple[str, ...] = ()
    first: FrameFingerprint | None = None
    after: FrameFingerprint | None = None
    repeated: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChunkOutput:
    """A chunk that was made, before it is committed.

    ``artifact`` is the segment as its worker saw it; it is at ``path``, or, without one, in the store already. ``used``
    are the files of the project folder that went into it; a ``foreign`` one may also depend on what no other job can be
    sure of.
    """

    artifact: Artifact
    path: Path | None
    stats: ChunkStats
    used: dict[str, Stamp | None]
    uses_external_resources: bool


class CacheEntry(BaseModel):
    """A chunk that is committed: its segment's key, size and SHA-256, and what is known of it."""

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
    """What the files of a folder hold, as SHA-256; each is read once as long as it does not change."""

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._known: dict[tuple[str, Stamp], str] = {}

    def digest(self, name: str, stamp: Stamp | None = None) -> str | None:
        """What a file holds; None where there is none.

        Raises:
            PageChanged: it is no longer as it was at ``stamp``.
        """
        assert self._root, "only files of a folder are used"
        path = self._root / name
        found = self._stamp(path)
        if stamp is not None and found != stamp:
            raise PageChanged(f"{name} was changed while it was being used")
        if found is None:
            return None
        if (name, found) not in self._known:
            digest = file_digest(path)
            if self._stamp(path) != found:
                raise PageChanged(f"{name} was changed while it was being read")
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

    A ``fresh`` job takes nothing from other jobs, and leaves nothing to them.
    """

    def __init__(self, store: ArtifactStore, job: str, root: Path | None, *, fresh: bool = False) -> None:
        self._fresh = fresh
        self._store = store
        self._job = job
        self._files = Files(root)
        self._sizes: dict[str, int] = {}
        self._records: dict[tuple[str, str], list[str]] = {}
        self._inputs: dict[str, bool] = {}

    async def read(self, folders: Iterable[str]) -> None:
        """Learns what is there."""
        for folder in sorted(set(folders)):
            found = await self._store.sizes(folder)
            self._sizes.update(found)
            for key in found:
                name, _, inputs = key.removesuffix(".json").rpartition("/")[2].partition(".")
                if key.endswith(".json") and inputs:
                    self._records.setdefault((folder, name), []).append(key)

    async def find(self, place: Place) -> CacheEntry | None:
        """The record of a chunk, if it is made, of what the files are now, and whole."""
        for key in self._records.get((place.folder, place.name), ()):
            inputs = key.removesuffix(".json").rpartition(".")[2]
            if not await self._is_current(place.folder, inputs):
                continue
            record = await self._record(key)
            if record and await self._is_whole(record):
                return record
            await self._store.delete([key])  # damaged, or its segment is gone: it must be possible to commit it again
        return None

    def uncommitted(self, place: Place, attempts: str) -> list[str]:
        """The attempts, of those whose names begin so, that a worker has brought to an end and nobody has committed."""
        begin = f"{place.folder}/{place.name}.{attempts}"
        return [
            key.removesuffix(REPORT).rpartition("/")[2].removeprefix(f"{place.name}.")
            for key in self._sizes
            if key.startswith(begin) and key.endswith(REPORT)
        ]

    async def commit(self, place: Place, made: ChunkOutput) -> CacheEntry:
        """Puts a chunk into the store, unless it is there; returns the record that is.

        Raises:
            Damaged, PageChanged: it must be made again.
            StoreError, OutputError: it can't be kept.
        """
        segment, size = made.artifact.key, made.artifact.size
        if made.path and await asyncio.to_thread(file_digest, made.path) != made.artifact.digest:
            raise Damaged(f"{made.path.name} is not what its worker made")
        inputs = await self._put_inputs(place.folder, made)
        if made.path:
            await self._store.put(segment, made.path)
        record = CacheEntry(segment=segment, size=size, digest=made.artifact.digest, inputs=inputs, stats=made.stats)
        key = f"{place.folder}/{place.name}.{inputs}.json"
        if not await self._store.put_new(key, record.model_dump_json().encode()):
            there = await self._record(key)
            if there and there.segment != segment:
                with contextlib.suppress(HeliosError):
                    await self._store.delete([segment])
                return there
        self._sizes[segment] = size
        return record

    async def bring(self, record: CacheEntry, path: Path) -> None:
        """Has a segment at ``path``.

        Raises:
            Damaged: it is not what it was when it was committed. It is no longer taken for made.
        """
        await self._store.bring(record.segment, path)
        if await asyncio.to_thread(file_digest, path) != record.digest:
            folder, _, name = record.segment.rpartition("/")
            await self._store.delete([f"{folder}/{name.partition('.')[0]}.{record.inputs}.json"])
            raise Damaged(f"{record.segment} is not what it was when it was made")

    async def stats(self, place: Place, record: CacheEntry) -> ChunkStats:
        """All that is known of a chunk. (Who keeps many records keeps their segments' keys, not this.)"""
        found = await self._record(f"{place.folder}/{place.name}.{record.inputs}.json")
        if not found:
            raise ArtifactMissing(f"the record of {record.segment} is gone")
        return found.stats

    async def check(self, records: Iterable[CacheEntry]) -> None:
        """Makes sure that all chunks were made of the same files.

        Raises:
            PageChanged: they were not.
        """
        folders = {(record.segment.rpartition("/")[0], record.inputs) for record in records}
        self._inputs.clear()
        for folder, inputs in sorted(folders):
            if not await self._is_current(folder, inputs):
                raise PageChanged("a file of the page was changed while it was drawn: render it again")

    async def _is_whole(self, record: CacheEntry) -> bool:
        """Whether the segment is there. It counts as gone only if it is: a listing may lag behind."""
        if self._sizes.get(record.segment) != record.size:
            try:
                self._sizes[record.segment] = await self._store.size(record.segment)
            except ArtifactMissing:
                return False
        return self._sizes[record.segment] == record.size

    async def _record(self, key: str) -> CacheEntry | None:
        try:
            return CacheEntry.model_validate_json(await self._store.get(key))
        except (ArtifactMissing, ValidationError):
            return None

    async def _put_inputs(self, folder: str, made: ChunkOutput) -> str:
        files = await asyncio.to_thread(
            lambda: {name: self._files.digest(name, stamp) for name, stamp in sorted(made.used.items())}
        )
        inputs = _Inputs(files=files, job=self._job if made.uses_external_resources or self._fresh else None)
        text = json.dumps(inputs.model_dump(), sort_keys=True)
        digest = short_digest(text)
        if digest not in self._inputs:
            await self._store.put(f"{folder}/inputs-{digest}.json", text.encode())
            self._inputs[digest] = True
        return digest

    async def _is_current(self, folder: str, digest: str) -> bool:
        """Whether the files that went into a chunk are what they were."""
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
    """128 bits of the SHA-256 of a text, in hexadecimal: a name."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
