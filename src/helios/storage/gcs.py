"""Google Cloud Storage, by Google's own client, with the credentials that all of Google's tools use."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import google.auth
from google.api_core import exceptions as answers
from google.auth import exceptions as auth
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import AuthorizedSession
from google.cloud.storage import Client  # pyright: ignore[reportMissingTypeStubs]
from requests import RequestException
from requests.adapters import HTTPAdapter

from helios.errors import UsageError
from helios.storage.objects import FailedError, RefusedError

T = TypeVar("T")

_google: Any = google.auth  # its types are partly unknown
CONNECTIONS = 32
"""Requests that are under way at once; more wait."""
_SILENCE = 20.0
"""Seconds without a byte after which a connection is given up."""
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_FIRST = 0
"""The generation of what is not there: https://cloud.google.com/storage/docs/request-preconditions."""


class GcsObjects:
    """Objects in a bucket, below a prefix. What is sent is checked by its CRC32C."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._bucket = client.bucket(bucket)
        self._prefix = f"{prefix}/" if prefix else ""

    async def put(self, key: str, data: bytes | Path) -> None:
        await self._send(key, data)

    async def put_new(self, key: str, data: bytes | Path) -> bool:
        try:
            await self._send(key, data, if_generation_match=_FIRST)
        except answers.PreconditionFailed:
            return False
        return True

    async def get(self, key: str) -> bytes:
        blob = self._blob(key)
        return await _asked(lambda: blob.download_as_bytes(timeout=_SILENCE, retry=None))

    async def size(self, key: str) -> int:
        blob = self._blob(key)
        await _asked(lambda: blob.reload(timeout=_SILENCE, retry=None))
        return blob.size

    async def copy(self, key: str, path: Path) -> None:
        blob = self._blob(key)
        await _asked(lambda: blob.download_to_filename(str(path), timeout=_SILENCE, retry=None))

    async def sizes(self, prefix: str) -> dict[str, int]:
        below = f"{self._prefix}{prefix.strip('/')}/" if prefix.strip("/") else self._prefix

        def look() -> dict[str, int]:
            found = self._bucket.list_blobs(
                prefix=below, fields="items(name,size),nextPageToken", timeout=_SILENCE, retry=None
            )
            return {blob.name.removeprefix(self._prefix): blob.size for blob in found}

        return await _asked(look)

    async def delete(self, key: str) -> None:
        blob = self._blob(key)
        await _asked(lambda: blob.delete(timeout=_SILENCE, retry=None))

    async def _send(self, key: str, data: bytes | Path, **condition: int) -> None:
        blob = self._blob(key)
        send = blob.upload_from_string if isinstance(data, bytes) else blob.upload_from_filename
        kind = "application/octet-stream"
        await _asked(lambda: send(data, content_type=kind, timeout=_SILENCE, retry=None, **condition))

    def _blob(self, key: str) -> Any:
        if any(name in ("", ".", "..") for name in key.split("/")):
            raise RefusedError(f"{key!r} is no key")
        return self._bucket.blob(self._prefix + key)


def open_gcs(url: str) -> GcsObjects:
    """What is below ``gs://bucket/prefix``. STORAGE_EMULATOR_HOST leads to another server, without credentials.

    Raises:
        UsageError: there are no credentials, or the URL names no bucket.
    """
    split = urlsplit(url)
    if not split.netloc:
        raise UsageError(f"{url} names no bucket: gs://BUCKET/PREFIX")
    credentials: Any = AnonymousCredentials()
    if not os.environ.get("STORAGE_EMULATOR_HOST"):
        try:
            credentials = _google.default(scopes=[_SCOPE])[0]
        except auth.GoogleAuthError as error:
            raise UsageError(f"{url}: {_said(error)} (gcloud auth application-default login; docs/gcp.md)") from None
    session = AuthorizedSession(credentials)
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS, pool_block=True))
    client = Client(project=None, credentials=credentials, _http=session)
    return GcsObjects(client, split.netloc, split.path.strip("/"))


async def _asked(request: Callable[[], T]) -> T:
    """What a request answers. Whoever waits can be cancelled at once: the thread that asks is left behind then, and
    can't hold up the end of the program.
    """
    answer: Future[T] = Future()
    answer.set_running_or_notify_cancel()

    def ask() -> None:
        try:
            answer.set_result(request())
        except Exception as error:  # noqa: BLE001  it is told to who waits
            answer.set_exception(error)

    threading.Thread(target=ask, name="gcs", daemon=True).start()
    with _told():
        return await asyncio.wrap_future(answer)


@contextmanager
def _told() -> Generator[None]:
    try:
        yield
    except answers.PreconditionFailed:
        raise
    except answers.NotFound as error:
        if "bucket does not exist" in str(error):
            raise RefusedError(_said(error)) from error
        raise FileNotFoundError(_said(error)) from error
    except (answers.TooManyRequests, answers.ServerError, auth.TransportError, RequestException) as error:
        raise FailedError(_said(error)) from error
    except (answers.GoogleAPIError, auth.GoogleAuthError) as error:
        final = not getattr(error, "retryable", False)
        raise (RefusedError if final else FailedError)(_said(error)) from error


def _said(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
