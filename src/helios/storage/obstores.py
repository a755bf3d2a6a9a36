"""Disks, memory, S3 and Azure, by obstore."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnknownConfigurationKeyError,
)
from obstore.store import LocalStore, ObjectStore, from_url

from helios.errors import UsageError
from helios.storage.objects import FailedError, RefusedError

_FINAL = (
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnknownConfigurationKeyError,
)
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

                return cls(open_s3(url))
            return cls(from_url(url))
        except (BaseError, ValueError) as error:
            raise UsageError(f"{url}: {_said(error)}") from None

    async def put(self, key: str, data: bytes | Path) -> None:
        with _told():
            await obstore.put_async(self._store, key, data)

    async def put_new(self, key: str, data: bytes | Path) -> bool:
        with _told():
            try:
                await obstore.put_async(self._store, key, data, mode="create")
            except AlreadyExistsError:
                return False
        return True

    async def get(self, key: str) -> bytes:
        with _told():
            answer = await obstore.get_async(self._store, key)
            return bytes(await answer.bytes_async())

    async def size(self, key: str) -> int:
        with _told():
            return (await obstore.head_async(self._store, key))["size"]

    async def copy(self, key: str, path: Path) -> None:
        with _told():
            answer = await obstore.get_async(self._store, key)
            with path.open("wb") as file:
                async for piece in answer.stream():
                    file.write(piece)

    async def sizes(self, prefix: str) -> dict[str, int]:
        found: dict[str, int] = {}
        with _told():
            async for metas in obstore.list(self._store, prefix, chunk_size=1000):
                found.update({meta["path"]: meta["size"] for meta in metas})
        return found

    async def delete(self, key: str) -> None:
        with _told():
            await obstore.delete_async(self._store, key)


@contextmanager
def _told() -> Generator[None]:
    try:
        yield
    except FileNotFoundError as error:  # obstore's own NotFoundError is one
        if "NoSuchBucket" in str(error):
            raise RefusedError(_said(error)) from error
        raise
    except _FINAL as error:
        raise RefusedError(_said(error)) from error
    except BaseError as error:
        raise FailedError(_said(error)) from error


def _said(error: Exception) -> str:
    """What S3 says is wrong, or the first line of what obstore does."""
    if found := _S3_SAYS.search(str(error)):
        return f"{found[2]} ({found[1]})"
    return str(error).split("\n", 1)[0]
