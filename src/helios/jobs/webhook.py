"""Telling an address what becomes of a job."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import random
import time
import urllib.request
from http.client import HTTPException
from typing import Any

from helios.threads import in_daemon

TRIES = 6
TIMEOUT = 10.0
"""Seconds that an address has to answer."""
_HURRIED = 0.3
PATIENCE = 10.0
"""Seconds that a job that has ended waits for what is still to be told."""


class Webhook:
    """POSTs JSON such as ``{"job": "1f2e", "event": "done", "at": 1767225600.0, ...}``, in the order of what happens.

    With $HELIOS_WEBHOOK_SECRET, the header ``Helios-Signature`` is ``t=<seconds>,v1=<hex>``: the HMAC-SHA256 of
    ``<seconds>.<body>``, as Stripe signs (https://docs.stripe.com/webhooks#verify-manually). What is not answered with
    2xx is told again a while later. None of it ever hinders the job.
    """

    def __init__(self, address: str | None, job: str) -> None:
        """Without an address, nobody is told."""
        self._address = address
        self._job = job
        self._secret = os.environ.get("HELIOS_WEBHOOK_SECRET", "")
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._patience = PATIENCE

    def hurry(self) -> None:
        """Whoever stops a job does not wait for an address."""
        self._patience = _HURRIED

    def tell(self, event: str, values: dict[str, Any]) -> None:
        """Has the address told, as soon as may be."""
        if self._address:
            self._queue.put_nowait(json.dumps({"job": self._job, "event": event, "at": time.time(), **values}).encode())

    async def __aenter__(self) -> Webhook:
        self._task = asyncio.create_task(self._deliver())
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._queue.join()
        except TimeoutError:
            pass
        finally:
            self._task.cancel()

    async def _deliver(self) -> None:
        while True:
            body = await self._queue.get()
            for attempt in range(TRIES):
                if await self._told(body):
                    break
                await asyncio.sleep(random.uniform(0, 0.5 * 2**attempt))
            self._queue.task_done()

    async def _told(self, body: bytes) -> bool:
        """Whether the address took it."""
        return await in_daemon(self._post, body)

    def _post(self, body: bytes) -> bool:
        headers = {"Content-Type": "application/json", "User-Agent": "helios"}
        if self._secret:
            headers["Helios-Signature"] = signature(body, self._secret, int(time.time()))
        assert self._address
        try:
            request = urllib.request.Request(self._address, body, headers, method="POST")
            with urllib.request.urlopen(request, timeout=TIMEOUT):
                return True
        except (OSError, ValueError, HTTPException):
            return False


def signature(body: bytes, secret: str, seconds: int) -> str:
    """The value of ``Helios-Signature`` for a body that is sent at ``seconds`` since 1970."""
    signed = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256)
    return f"t={seconds},v1={signed.hexdigest()}"
