"""S3 as the user has set AWS up: profiles, SSO, roles, regions and endpoints are read as every AWS tool reads them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from obstore.store import S3Store

from helios.errors import UsageError
from helios.storage.objects import FailedError, Moved, RefusedError, check_key
from helios.storage.obstores import CLIENT, ObstoreObjects, size_of
from helios.storage.threads import CONNECTIONS, SILENCE, SOCKET_OPTIONS, Outgoing, in_thread

_PART = 8 * 1024 * 1024
_MOST_PARTS = 10_000
_PARTS_AT_ONCE = 4
_CHECKED = {"ChecksumAlgorithm": "SHA256"}
_RETRIES: Any = {"mode": "standard", "total_max_attempts": 3}
_FAILED = {"ConditionalRequestConflict", "NoSuchUpload", "RequestTimeout", "SlowDown"}
"""What S3 says where asking again helps, besides its own faults.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""
_LIFETIME = timedelta(minutes=5)
"""After which credentials are asked for again; whether they are then renewed, their provider knows."""


def named_region() -> str | None:
    """What AWS_REGION says, which botocore alone of AWS's SDKs does not read.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html
    """
    return os.environ.get("AWS_REGION")


def open_s3(url: str) -> S3Objects:
    """The objects at ``s3://bucket/prefix``. What is put there is checked by its SHA-256.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html

    Raises:
        UsageError: AWS is not set up.
    """
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError
    from botocore.httpsession import URLLib3Session
    from botocore.utils import get_environ_proxies

    session: Any = botocore.session.get_session()
    config: Any = Config(retries=_RETRIES)
    try:
        client: Any = session.create_client("s3", region_name=named_region(), config=config)
        credentials: Any = session.get_credentials()
        own_endpoint = ".amazonaws.com" not in client.meta.endpoint_url
        if own_endpoint:
            config = config.merge(Config(s3={"addressing_style": "path"}))
            client = session.create_client("s3", region_name=named_region(), config=config)
    except BotoCoreError as error:
        raise UsageError(f"{url}: {error} (see docs/aws.md)") from None
    if credentials is None:
        raise UsageError(f"{url}: there are no AWS credentials here (aws configure, AWS_PROFILE: see docs/aws.md)")
    endpoint: str = client.meta.endpoint_url
    http: Any = URLLib3Session  # its types are guesses
    sender = http(
        timeout=(SILENCE, SILENCE),
        max_pool_connections=CONNECTIONS,
        socket_options=list(SOCKET_OPTIONS),
        proxies=get_environ_proxies(endpoint),
        verify=session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE", True),
    )

    def send(request: Any, **_: object) -> Any:
        if request.body and not isinstance(request.body, Outgoing):
            request.body = Outgoing(request.body)
        return sender.send(request)

    client.meta.events.register("before-send.s3", send)

    def provide() -> Any:  # obstore also asks where no event loop is
        found: Any = credentials.get_frozen_credentials()
        return {
            "access_key_id": found.access_key,
            "secret_access_key": found.secret_key,
            "token": found.token,
            "expires_at": datetime.now(UTC) + _LIFETIME,
        }

    own: dict[str, Any] = {"endpoint": endpoint} if own_endpoint else {}
    options: Any = {**CLIENT, "allow_http": endpoint.startswith("http://")}
    store = S3Store.from_url(
        url,
        region=client.meta.region_name,
        checksum_algorithm="SHA256",
        credential_provider=provide,
        client_options=options,
        **own,
    )
    return S3Objects(store, client, urlsplit(url).netloc, store.prefix or "")


class S3Objects(ObstoreObjects):
    """Objects in a bucket. AWS's own client puts them: it shows how each byte moves, tries each part of a large one
    again by itself, and puts large ones on a condition too.
    """

    def __init__(self, store: S3Store, client: Any, bucket: str, prefix: str) -> None:
        super().__init__(store)
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    async def put(self, key: str, data: bytes | Path, moved: Moved) -> None:
        await self._send(key, data, moved)

    async def put_new(self, key: str, data: bytes | Path, moved: Moved) -> bool:
        if size_of(data) > _PART:
            with contextlib.suppress(FileNotFoundError):
                await self.size(key)
                return False
        try:
            await self._send(key, data, moved, IfNoneMatch="*")
        except _ThereError:
            return False
        return True

    async def _send(self, key: str, data: bytes | Path, moved: Moved, **condition: str) -> None:
        check_key(key)
        target = {"Bucket": self._bucket, "Key": self._prefix + key}
        with _s3_errors():
            if size_of(data) > _PART:
                await self._send_parts(target, data, moved, condition)
                return
            await in_thread(
                lambda: self._client.put_object(
                    **target, Body=data if isinstance(data, bytes) else data.read_bytes(), **_CHECKED, **condition
                ),
                moved,
            )

    async def _send_parts(
        self, target: dict[str, str], data: bytes | Path, moved: Moved, condition: dict[str, str]
    ) -> None:
        started = await in_thread(lambda: self._client.create_multipart_upload(**target, **_CHECKED))
        upload = {**target, "UploadId": started["UploadId"]}
        length = max(_PART, -(-size_of(data) // _MOST_PARTS))
        room = asyncio.Semaphore(_PARTS_AT_ONCE)

        async def send(number: int) -> dict[str, Any]:
            async with room:
                part = await asyncio.to_thread(_read, data, (number - 1) * length, length)
                answer = await in_thread(
                    lambda: self._client.upload_part(**upload, PartNumber=number, Body=part, **_CHECKED), moved
                )
                return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": answer["ChecksumSHA256"]}

        tasks = [asyncio.create_task(send(number)) for number in range(1, -(-size_of(data) // length) + 1)]
        try:
            parts = {"Parts": await asyncio.gather(*tasks)}
            moved()
            await in_thread(
                lambda: self._client.complete_multipart_upload(**upload, MultipartUpload=parts, **condition)
            )
        except BaseException:
            for task in tasks:
                task.cancel()
            threading.Thread(target=self._abort, args=[upload], daemon=True).start()
            raise

    def _abort(self, upload: dict[str, str]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        with contextlib.suppress(BotoCoreError, ClientError):
            self._client.abort_multipart_upload(**upload)


class _ThereError(Exception):
    """Something is under the key already."""


@contextlib.contextmanager
def _s3_errors() -> Generator[None]:
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

    try:
        yield
    except ClientError as error:
        answer: Any = error.response
        code, status = answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]
        if code == "PreconditionFailed":
            raise _ThereError from error
        again = status >= 500 or status == 429 or code in _FAILED
        raise (FailedError if again else RefusedError)(f"{answer['Error']['Message']} ({code})") from error
    except HTTPClientError as error:
        raise FailedError(str(error)) from error
    except BotoCoreError as error:
        raise RefusedError(str(error)) from error


def _read(data: bytes | Path, start: int, length: int) -> bytes:
    if isinstance(data, bytes):
        return data[start : start + length]
    with data.open("rb") as file:
        file.seek(start)
        return file.read(length)
