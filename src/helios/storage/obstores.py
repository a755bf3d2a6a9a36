"""Disks, memory, S3 and Azure, by obstore."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
    UnknownConfigurationKeyError,
)
from obstore.store import LocalStore, ObjectStore, from_url

from helios.errors import UsageError
from helios.storage.objects import Download, FailedError, Moved, RefusedError

if TYPE_CHECKING:
    from obstore import GetResult

_FINAL = (
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnknownConfigurationKeyError,
)
CLIENT: dict[str, Any] = {"timeout": "1day", "connect_timeout": "20s", "read_timeout": "60s"}
"""How long requests may take: the whole of one as long as its bytes move."""
_PART = 5 * 1024 * 1024  # no part may be smaller at S3
_PARTS_AT_ONCE = 2
_PIECE = 64 * 1024
_S3_SAYS = re.compile(r"<Code>(\w+)</Code>\s*<Message>([^<]+)</Message>")
"""Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""


class ObstoreObjects:
    """Objects in a store of obstore's."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def of_folder(cls, folder: Path) -> ObstoreObjects:
        """Files below a folder."""
        return cls(LocalStore(folder))

    @classmethod
    def of_url(cls, url: str) -> ObstoreObjects:
        """What is below a URL.

        Raises:
            UsageError: the URL is wrong, or its cloud is not set up.
        """
        try:
            if url.startswith("s3://") and find_spec("botocore"):
                from helios.storage.s3 import open_s3

                return open_s3(url)
            own: dict[str, Any] = {"copy_if_not_exists": "multipart"} if url.startswith("s3://") else {}
            if not url.startswith("memory:"):
                own["client_options"] = CLIENT
            return cls(from_url(url, **own))
        except (BaseError, ValueError) as error:
            raise UsageError(f"{url}: {_error_text(error)}") from None

    async def put(self, key: str, data: bytes | Path, moved: Moved) -> None:
        with obstore_errors():
            if size_of(data) <= _PART:
                await obstore.put_async(self._store, key, data)
            else:
                await self._put_parts(key, data, moved)

    async def put_new(self, key: str, data: bytes | Path, moved: Moved) -> bool:
        with obstore_errors():
            try:
                if size_of(data) <= _PART:
                    await obstore.put_async(self._store, key, data, mode="create")
                else:
                    await self._put_new_parts(key, data, moved)
            except AlreadyExistsError:
                return False
        return True

    async def _put_parts(self, key: str, data: bytes | Path, moved: Moved) -> None:
        await obstore.put_async(
            self._store, key, _pieces(data, moved), chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE
        )

    async def _put_new_parts(self, key: str, data: bytes | Path, moved: Moved) -> None:
        """Only a single request can have a condition. A copy is one, of any size."""
        with suppress(FileNotFoundError):
            await obstore.head_async(self._store, key)
            raise AlreadyExistsError
        part = f"uploads/{uuid4().hex}"
        try:
            await self._put_parts(part, data, moved)
            moved()
            await obstore.copy_async(self._store, part, key, overwrite=False)
        finally:
            with suppress(FileNotFoundError, BaseError):
                await obstore.delete_async(self._store, part)

    async def read(self, key: str, download: Download, moved: Moved) -> None:
        with obstore_errors():
            answer = await self._open(key, download)
            meta = answer.meta
            if answer.range[0] != download.size:
                download.restart()
            download.version = meta["e_tag"]
            async for piece in answer.stream(min_chunk_size=_PIECE):
                await asyncio.to_thread(download.write, bytes(piece))
                moved()
            if download.size != meta["size"]:
                raise FailedError(f"{download.size} of {meta['size']} bytes came")

    async def _open(self, key: str, download: Download) -> GetResult:
        if download.size and download.version:
            with suppress(PreconditionError, GenericError):  # another version by now, or nothing is missing
                return await obstore.get_async(
                    self._store, key, options={"range": {"offset": download.size}, "if_match": download.version}
                )
        return await obstore.get_async(self._store, key)

    async def size(self, key: str) -> int:
        with obstore_errors():
            return (await obstore.head_async(self._store, key))["size"]

    async def sizes(self, prefix: str) -> dict[str, int]:
        found: dict[str, int] = {}
        with obstore_errors():
            async for metas in obstore.list(self._store, prefix, chunk_size=1000):
                found.update({meta["path"]: meta["size"] for meta in metas})
        return found

    async def delete(self, key: str) -> None:
        with obstore_errors():
            await obstore.delete_async(self._store, key)


@contextmanager
def obstore_errors() -> Generator[None]:
    """Raises errors of obstore as those of ``Objects``."""
    try:
        yield
    except FileNotFoundError as error:  # obstore's own NotFoundError is one
        if "NoSuchBucket" in str(error):
            raise RefusedError(_error_text(error)) from error
        raise
    except _FINAL as error:
        raise RefusedError(_error_text(error)) from error
    except BaseError as error:
        raise FailedError(_error_text(error)) from error


def size_of(data: bytes | Path) -> int:
    """How many bytes these are, or a file has."""
    return len(data) if isinstance(data, bytes) else data.stat().st_size


async def _pieces(data: bytes | Path, moved: Moved) -> AsyncGenerator[bytes]:
    with BytesIO(data) if isinstance(data, bytes) else data.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
            moved()


def _error_text(error: Exception) -> str:
    """What S3 says is wrong, or the first line of what obstore does."""
    if found := _S3_SAYS.search(str(error)):
        return f"{found[2]} ({found[1]})"
    return str(error).split("\n", 1)[0]
