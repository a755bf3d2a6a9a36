"""An empty folder for one job: its inputs go in, its outputs go to the store."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath

from helios.errors import CommandFailed, OutputError, StoreError, WorkerRefused
from helios.storage import ArtifactStore, unpack
from helios.worker.job import Artifact
from helios.worker.message import ArtifactRef, Payload

_PREFIX = "job-"
_NAME = r"(\.{0,2}[^/.\x00][^/\x00]*|\.{3}[^/\x00]*)"
INSIDE = rf"{_NAME}(/{_NAME})*/?"
"""Paths inside of a folder: names with slashes between, of which none is . or .., and perhaps a slash behind."""
_PLAIN = r"(\.{0,2}[^/.\x00-\x1f\x7f][^/\x00-\x1f\x7f]*|\.{3}[^/\x00-\x1f\x7f]*)"
KEY = rf"{_PLAIN}(/{_PLAIN})*"
"""Keys inside of a store: such paths, without a slash behind, of characters that can be seen."""


class Bundles:
    """Bundles that a warm worker has already: at most ``limit`` bytes of them, those used last.

    They are stored packed, and their digests are checked before each use: no job can change the input of another. Sizes
    are measured, and not taken from a job.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        folder.mkdir(parents=True, exist_ok=True)

    async def unpacked(self, ref: ArtifactRef, store: ArtifactStore, folder: Path) -> None:
        """Unpacks a bundle into the new folder ``folder``.

        Raises:
            StoreError: it can't be had, or is not what it should be.
        """
        path = self._folder / PurePosixPath(ref.digest).name
        if not (path.is_file() and await asyncio.to_thread(_digest, path) == ref.digest):
            self._make_room(ref.size)
            await _fetch(ref, store, path)
        path.touch()
        with path.open("rb") as archive:
            await asyncio.to_thread(unpack, archive, folder)
        self._make_room(0)

    def _make_room(self, size: int) -> None:
        oldest = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        taken = sum(path.stat().st_size for path in oldest)
        for path in oldest:
            if taken + size <= self._limit:
                break
            taken -= path.stat().st_size
            path.unlink(missing_ok=True)


def check_paths(payload: Payload) -> None:
    """Makes sure that all paths of a payload are inside of its folder, and all keys inside of its store.

    Raises:
        WorkerRefused: one leads out of it.
    """
    for path in (*payload.inputs, *payload.outputs):
        if not re.fullmatch(INSIDE, path):
            raise WorkerRefused(f"{path!r} is no path inside of the job's folder")
    fetched = [content.key for content in payload.inputs.values() if isinstance(content, ArtifactRef)]
    progress = [] if payload.progress is None else [payload.progress]
    for key in (*fetched, *payload.outputs.values(), *progress):
        if not re.fullmatch(KEY, key):
            raise WorkerRefused(f"{key!r} is no key inside of the job's store")


@asynccontextmanager
async def workspace(payload: Payload, store: ArtifactStore, bundles: Bundles, parent: Path) -> AsyncGenerator[Path]:
    """A new folder below ``parent`` with a payload's inputs, for as long as the block runs.

    Raises:
        WorkerRefused: inputs can't be there together.
        StoreError, OutputError: an input can't be had.
    """
    try:
        await asyncio.to_thread(_clear, parent)
        folder, lock = _create_folder(parent)
    except OSError as error:
        raise OutputError(f"the worker's disk can't hold the job: {error.strerror}") from error
    try:
        try:
            for path, content in payload.inputs.items():
                await _stage_in(folder / path, content, store, bundles, unpacked=path.endswith("/"))
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise WorkerRefused("two inputs of the job are in each other's way") from None
        except OSError as error:
            raise OutputError(f"the worker's disk can't hold the job: {error.strerror}") from error
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        os.close(lock)


def _create_folder(parent: Path) -> tuple[Path, int]:
    """A new folder, and the lock on it. One that another worker takes for a leftover meanwhile is none."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        with contextlib.suppress(FileNotFoundError):
            if (lock := _lock(folder)) is not None and folder.is_dir():
                return folder, lock


def _clear(parent: Path) -> None:
    """Removes what workers have left that were killed. Lambda retains /tmp when it restarts a function.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
    """
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if (lock := _lock(folder)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def _lock(folder: Path) -> int | None:
    """Holds a folder for as long as this process has it open; None where another does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


async def stage_out(payload: Payload, folder: Path, store: ArtifactStore) -> dict[str, ArtifactRef]:
    """Puts those outputs that there are into the store, and returns them.

    Raises:
        CommandFailed: one is no plain file inside of the folder.
        StoreError: they can't be stored.
    """
    stored: dict[str, ArtifactRef] = {}
    for name, key in payload.outputs.items():
        path = folder / name
        if not os.path.lexists(path):
            continue
        if path.is_symlink() or not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            raise CommandFailed(f"{name} is no plain file of the job's own")
        artifact = await asyncio.to_thread(Artifact.of, path, key)
        if not await store.put_new(key, path) and await _digest_in(store, key, path) != artifact.digest:
            raise StoreError(f"{key} holds something else already")
        stored[name] = ArtifactRef.of(artifact)
    return stored


async def _stage_in(
    path: Path, content: ArtifactRef | bytes, store: ArtifactStore, bundles: Bundles, *, unpacked: bool
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif unpacked:
        await bundles.unpacked(content, store, path)
    else:
        await _fetch(content, store, path)


async def _fetch(ref: ArtifactRef, store: ArtifactStore, path: Path) -> None:
    part = path.with_name(path.name + ".part")
    await store.fetch(ref.key, part, own=True)
    if await asyncio.to_thread(_digest, part) != ref.digest:
        part.unlink()
        raise StoreError(f"{ref.key} has changed since it was stored")
    part.replace(path)


async def _digest_in(store: ArtifactStore, key: str, path: Path) -> str:
    """The digest of what the store has under ``key``; it is fetched beside ``path`` for that."""
    there = path.with_name(f"{path.name}.there")
    await store.fetch(key, there, own=True)
    try:
        return await asyncio.to_thread(_digest, there)
    finally:
        there.unlink()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
