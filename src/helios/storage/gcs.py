"""Google Cloud Storage, by Google's own client, with the credentials that all of Google's tools use."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
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
from google.cloud.storage.exceptions import DataCorruption  # pyright: ignore[reportMissingTypeStubs]
from requests import RequestException
from requests.adapters import HTTPAdapter

from helios.errors import UsageError
from helios.storage.objects import Download, FailedError, Moved, RefusedError, check_key
from helios.storage.threads import CONNECTIONS, SILENCE, SOCKET_OPTIONS, Outgoing, in_thread

T = TypeVar("T")

_google: Any = google.auth  # its types are partly unknown
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_here = threading.local()
"""The generation that the last answer to this thread was of."""
_FIRST = 0
"""The generation of what is not there: https://cloud.google.com/storage/docs/request-preconditions."""


class GcsObjects:
    """Objects in a bucket, below a prefix. What is sent is checked by its CRC32C."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._bucket = client.bucket(bucket)
        self._prefix = f"{prefix}/" if prefix else ""

    async def put(self, key: str, data: bytes | Path, moved: Moved) -> None:
        await self._send(key, data, moved)

    async def put_new(self, key: str, data: bytes | Path, moved: Moved) -> bool:
        try:
            await self._send(key, data, moved, if_generation_match=_FIRST)
        except answers.PreconditionFailed:
            return False
        return True

    async def read(self, key: str, download: Download, moved: Moved) -> None:
        blob = self._blob(key)
        more: dict[str, int] = {}
        if download.version is None:
            download.restart()
        else:
            more = {"start": download.size, "if_generation_match": int(download.version)}
        incoming = _Incoming(download, moved)

        def receive() -> None:
            try:
                blob.download_to_file(incoming, timeout=SILENCE, retry=None, **more)
            except DataCorruption:
                download.restart()  # what arrived is wrong: a retry must not go on from it
                raise

        try:
            await _request(receive)
        except answers.RequestRangeNotSatisfiable:  # nothing is missing
            return
        except answers.PreconditionFailed as error:
            download.restart()
            raise FailedError(_error_text(error)) from error
        finally:
            incoming.close()

    async def size(self, key: str) -> int:
        blob = self._blob(key)
        await _request(lambda: blob.reload(timeout=SILENCE, retry=None))
        return blob.size

    async def sizes(self, prefix: str) -> dict[str, int]:
        below = f"{self._prefix}{prefix.strip('/')}/" if prefix.strip("/") else self._prefix

        def look() -> dict[str, int]:
            found = self._bucket.list_blobs(
                prefix=below, fields="items(name,size),nextPageToken", timeout=SILENCE, retry=None
            )
            return {blob.name.removeprefix(self._prefix): blob.size for blob in found}

        return await _request(look)

    async def delete(self, key: str) -> None:
        blob = self._blob(key)
        await _request(lambda: blob.delete(timeout=SILENCE, retry=None))

    async def _send(self, key: str, data: bytes | Path, moved: Moved, **condition: int) -> None:
        blob = self._blob(key)
        send = blob.upload_from_string if isinstance(data, bytes) else blob.upload_from_filename
        kind = "application/octet-stream"
        await _request(lambda: send(data, content_type=kind, timeout=SILENCE, retry=None, **condition), moved)

    def _blob(self, key: str) -> Any:
        check_key(key)
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
            raise UsageError(
                f"{url}: {_error_text(error)} (gcloud auth application-default login; docs/gcp.md)"
            ) from None
    session = _Session(credentials)
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter(pool_maxsize=CONNECTIONS, pool_block=True))
    client = Client(project=None, credentials=credentials, _http=session)
    return GcsObjects(client, split.netloc, split.path.strip("/"))


class _Incoming:
    """The end of a download's file. Once it is closed, a thread that was left behind can't write there any more."""

    def __init__(self, download: Download, moved: Moved) -> None:
        self._download = download
        self._moved = moved
        self._lock = threading.Lock()
        self._closed = False

    def write(self, piece: bytes) -> None:
        with self._lock:
            if self._closed:
                raise FailedError("this download is cancelled")
            self._download.version = _here.generation
            self._download.write(piece)
        self._moved()

    def close(self) -> None:
        with self._lock:
            self._closed = True


class _Session(AuthorizedSession):
    """A session that sends bytes in small blocks, so that one can see them move."""

    def request(self, method: str, url: str, data: Any = None, *args: Any, **more: Any) -> Any:
        if isinstance(data, Outgoing):  # the same request again, with a new token
            data.seek(0)
        elif isinstance(data, bytes):
            data = Outgoing(data)
        base: Any = super()  # its types are partly unknown
        answer = base.request(method, url, data, *args, **more)
        _here.generation = answer.headers.get("x-goog-generation")
        return answer


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more, socket_options=list(SOCKET_OPTIONS))


async def _request(request: Callable[[], T], moved: Moved = lambda: None) -> T:
    with _gcs_errors():
        return await in_thread(request, moved)


@contextmanager
def _gcs_errors() -> Generator[None]:
    try:
        yield
    except (answers.PreconditionFailed, answers.RequestRangeNotSatisfiable):
        raise
    except answers.NotFound as error:
        if "bucket does not exist" in str(error):
            raise RefusedError(_error_text(error)) from error
        raise FileNotFoundError(_error_text(error)) from error
    except (
        answers.TooManyRequests,
        answers.ServerError,
        auth.TransportError,
        RequestException,
        DataCorruption,
    ) as error:
        raise FailedError(_error_text(error)) from error
    except (answers.GoogleAPIError, auth.GoogleAuthError) as error:
        final = not getattr(error, "retryable", False)
        raise (RefusedError if final else FailedError)(_error_text(error)) from error


def _error_text(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
