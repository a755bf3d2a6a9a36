"""Artifacts under one URL, on a disk, in memory or in a bucket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Awaitable, Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, unquote, urlsplit

from helios.errors import ArtifactMissing, OutputError, StoreError, UsageError
from helios.storage.objects import Download, FailedError, Moved, Objects, RefusedError
from helios.storage.obstores import ObstoreObjects
from helios.storage.silence import limited_silence

T = TypeVar("T")

TIMEOUT = 60.0
"""Seconds without an answer, or a byte of one, after which a request is tried again."""
TRIES = 5
_FIRST_PAUSE = 0.1
_SCHEMES = ("file", "memory", "s3", "gs", "az")


class ArtifactStore:
    """Bytes under keys such as ``jobs/1/spec.json``, all below one URL.

    A request that fails, or of which nothing moves for ``timeout`` seconds, is tried again, with full jitter
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). A transfer may take as long as its
    bytes move, and a download goes on where it broke off. What is on a disk is on it for good when a call returns: it
    survives a loss of power.

    Raises (from any method):
        StoreError: the store can't be reached, or refuses.
        OutputError: its disk is full.
    """

    def __init__(
        self,
        objects: Objects,
        url: str,
        *,
        root: Path | None = None,
        timeout: float = TIMEOUT,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """``root`` is the folder, if they are files; ``before`` is awaited before each request, as a part of it: what
        it raises, the request does.
        """
        self._objects = objects
        self._before = before
        self._timeout = timeout
        self._root = root
        self._synced: set[Path] = set()
        self.url = url

    @classmethod
    def at(
        cls, url: str | Path, *, timeout: float = TIMEOUT, before: Callable[[], Awaitable[None]] | None = None
    ) -> ArtifactStore:
        """The store at a URL (file, memory, s3, gs or az) or in a folder, which is created.

        Raises:
            UsageError: there is no such kind of store, or the URL is wrong.
            StoreError: the folder can't be created.
        """
        scheme = urlsplit(str(url)).scheme
        if isinstance(url, str) and "://" in url and scheme not in _SCHEMES:
            raise UsageError(f"{url}: artifacts can be stored at {', '.join(f'{known}://' for known in _SCHEMES)}")
        if isinstance(url, Path) or "://" not in url or scheme == "file":
            folder = Path(unquote(urlsplit(str(url)).path)) if scheme == "file" else Path(url).absolute()
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"artifacts can't be stored in {folder}: {error.strerror}") from None
            except ValueError as error:
                raise UsageError(f"artifacts can't be stored in {str(folder)!r}: {error}") from None
            root = folder.resolve()
            objects = ObstoreObjects.of_folder(root)
            return cls(objects, f"file://{quote(str(folder))}", root=root, timeout=timeout, before=before)
        return cls(
            _open_gcs(url) if scheme == "gs" else ObstoreObjects.of_url(url), url, timeout=timeout, before=before
        )

    async def put(self, key: str, data: bytes | Path) -> None:
        """Puts bytes, or a file's, under ``key``, in place of what was there."""
        await self._ask(f"put {key}", lambda moved: self._objects.put(key, data, moved))
        await self._sync(key)

    async def put_new(self, key: str, data: bytes | Path) -> bool:
        """Puts bytes, or a file's, under ``key`` if nothing is there yet; whether it did.

        A request that was not answered may have been carried out, so False can mean that these very bytes are there.
        """

        done = await self._ask(f"put {key}", lambda moved: self._objects.put_new(key, data, moved))
        await self._sync(key)
        return done

    async def get(self, key: str) -> bytes:
        """What is under ``key``.

        Raises:
            ArtifactMissing: nothing is.
        """
        with BytesIO() as file:
            download = Download(file)
            await self._ask(f"get {key}", lambda moved: self._objects.read(key, download, moved))
            return file.getvalue()

    async def has(self, key: str) -> bool:
        """Whether there is anything under ``key``."""
        try:
            await self.size(key)
        except ArtifactMissing:
            return False
        return True

    async def size(self, key: str) -> int:
        """How many bytes are under ``key``.

        Raises:
            ArtifactMissing: nothing is.
        """
        return await self._ask(f"look for {key}", lambda _: self._objects.size(key))

    async def fetch(self, key: str, path: Path, *, own: bool = False) -> None:
        """Writes the object under ``key`` to ``path``: by a link where it is on the same disk, unless the file is to be
        its ``own``, which may be changed.

        Raises:
            ArtifactMissing: nothing is there.
        """
        if self._root and not own:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                path.hardlink_to(self._root / key)
                return

        part = path.with_name(path.name + ".part")
        try:
            with part.open("wb") as file:
                download = Download(file)
                await self._ask(f"get {key}", lambda moved: self._objects.read(key, download, moved))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    async def sizes(self, prefix: str) -> dict[str, int]:
        """The keys that begin with ``prefix`` (to the end of a name between slashes), and how many bytes each has."""
        return await self._ask(f"list {prefix}", lambda _: self._objects.sizes(prefix))

    async def delete(self, keys: Iterable[str]) -> None:
        """Removes what is under ``keys``, where anything is."""
        for key in keys:
            with contextlib.suppress(ArtifactMissing):
                await self._ask(f"delete {key}", lambda _, key=key: self._objects.delete(key))

    async def _ask(self, what: str, request: Callable[[Moved], Awaitable[T]]) -> T:
        for left in reversed(range(TRIES)):
            try:
                async with limited_silence(self._timeout) as moved:
                    if self._before:
                        await self._before()
                    return await request(moved)
            except FileNotFoundError:
                raise ArtifactMissing(f"{self.url} could not {what}: there is nothing") from None
            except RefusedError as error:
                raise StoreError(f"{self.url} could not {what}: {error}") from error
            except (FailedError, OSError, TimeoutError) as error:
                if "No space left on device" in str(error):
                    raise OutputError(f"the disk is full: {self.url} could not {what}") from error
                if not left:
                    message = f"no answer in {self._timeout:g} s" if isinstance(error, TimeoutError) else str(error)
                    raise StoreError(f"{self.url} could not {what}, {TRIES} times: {message}") from error
            await asyncio.sleep(random.uniform(0, _FIRST_PAUSE * 2 ** (TRIES - left)))
        raise AssertionError("unreachable")

    async def _sync(self, key: str) -> None:
        if self._root:
            try:
                await asyncio.to_thread(self._sync_file, self._root, key)
            except OSError as error:
                raise StoreError(f"{self.url} could not keep {key}: {error.strerror}") from error

    def _sync_file(self, root: Path, key: str) -> None:
        path = root / key
        _fsync(path)
        _fsync(path.parent)
        for folder in path.parent.parents:
            if folder in self._synced or not folder.is_relative_to(root):
                break
            _fsync(folder)
            self._synced.add(folder)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_gcs(url: str) -> Objects:
    try:
        from helios.storage.gcs import open_gcs
    except ImportError:
        raise UsageError(f"{url} needs more packages: pip install 'helios-render[gcp]'") from None
    return open_gcs(url)
