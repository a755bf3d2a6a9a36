"""Webhooks: POSTs the events of a job to an address, signed as Standard Webhooks define.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import random
import re
import secrets
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from helios.errors import UsageError
from helios.threads import in_daemon

MAXIMUM_ATTEMPTS = 6
TIMEOUT = 10.0
"""Seconds until an attempt at a delivery counts as failed."""
FINISH_TIMEOUT = 10.0
"""Seconds that a finished job waits for deliveries."""
_STOP_TIMEOUT = 0.3
"""Seconds that a job that was stopped waits for deliveries."""
_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class _Message:
    """``id`` stays the same over all attempts, so that the receiver can recognize a message that it has."""

    id: str
    type: str
    body: bytes


class Webhook:
    """Delivers messages in order: ``{"type": "job.done", "timestamp": "2026-01-01T00:00:00Z", "data": {"job": ...}}``.

    $HELIOS_WEBHOOK_SECRET signs them. A message that isn't answered with 2xx is sent again. No failure stops the job.
    """

    def __init__(self, address: str | None, job: str, warn: Callable[[str], None] = lambda message: None) -> None:
        """Sends nothing without an address. ``warn`` gets a line about each message that can't be delivered.

        Raises:
            UsageError: HELIOS_WEBHOOK_SECRET is not base64.
        """
        self._key = _read_key(os.environ.get("HELIOS_WEBHOOK_SECRET", "")) if address else b""
        self._warn = warn
        self._sending: _Message | None = None
        self._address = address
        self._job = job
        self._queue: asyncio.Queue[_Message] = asyncio.Queue()
        self._finish_timeout = FINISH_TIMEOUT

    def stop_soon(self) -> None:
        """Shortens the wait for deliveries at the end: the user has stopped the job."""
        self._finish_timeout = _STOP_TIMEOUT

    def send(self, event: str, values: dict[str, Any]) -> None:
        """Queues the message ``job.<event>`` with ``values`` in its data."""
        if self._address:
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            kind = f"job.{event}"
            message = {"type": kind, "timestamp": now, "data": {"job": self._job, **values}}
            body = json.dumps(message, separators=(",", ":")).encode()
            self._queue.put_nowait(_Message(f"msg_{secrets.token_hex(16)}", kind, body))

    async def __aenter__(self) -> Webhook:
        self._task = asyncio.create_task(self._deliver())
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            async with asyncio.timeout(self._finish_timeout):
                await self._queue.join()
        except TimeoutError:
            waiting = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
            for message in (self._sending, *waiting):
                if message:
                    self._warn_lost(message, "the job did not wait longer")
        finally:
            self._task.cancel()

    async def _deliver(self) -> None:
        while True:
            self._sending = message = await self._queue.get()
            for attempt in range(MAXIMUM_ATTEMPTS):
                failure = await in_daemon(self._post, message)
                if failure is None:
                    break
                if attempt == 0:
                    self._warn(f"the webhook at {self._host} failed and is tried again: {failure}")
                await asyncio.sleep(random.uniform(0, 0.5 * 2**attempt))
            else:
                self._warn_lost(message, f"{MAXIMUM_ATTEMPTS} attempts failed")
            self._sending = None
            self._queue.task_done()

    @property
    def _host(self) -> str:
        """The address without its user, path and query, which may be secret."""
        parts = urlsplit(self._address or "")
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def _warn_lost(self, message: _Message, reason: str) -> None:
        self._warn(f"the webhook at {self._host} did not receive {message.type!r}: {reason}")

    def _post(self, message: _Message) -> str | None:
        """Returns why the delivery failed; None if it did not."""
        assert self._address
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "helios",
            **webhook_headers(message.id, int(time.time()), message.body, self._key),
        }
        try:
            request = urllib.request.Request(self._address, message.body, headers, method="POST")
            with urllib.request.urlopen(request, timeout=TIMEOUT):
                return None
        except (OSError, ValueError, HTTPException) as error:
            return str(error) or type(error).__name__


def check_webhook(address: str) -> str:
    """Returns ``address`` if it is an http or https URL.

    Raises:
        ValueError: it is not.
    """
    try:
        parts = urlsplit(address)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or re.search(r"[\s\x00-\x1f\x7f]", address):
        raise ValueError(f"a webhook is an address such as https://example.com/hook, not {address!r}")
    return address


def webhook_headers(id: str, timestamp: int, body: bytes, key: bytes) -> dict[str, str]:
    """Returns the headers of one attempt at ``timestamp`` (seconds since 1970), signed if there is a ``key``."""
    headers = {"webhook-id": id, "webhook-timestamp": str(timestamp)}
    if key:
        digest = hmac.digest(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256)
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers


def _read_key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        raise UsageError(
            "HELIOS_WEBHOOK_SECRET must be base64, with or without whsec_ in front: "
            'echo "whsec_$(head -c 32 /dev/urandom | base64)" creates one'
        ) from None
