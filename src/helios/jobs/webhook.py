"""Telling an address what becomes of a job."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import random
import re
import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

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

    def __init__(self, address: str | None, job: str, warn: Callable[[str], None] = lambda message: None) -> None:
        """Without an address, nobody is told. ``warn`` gets a line about each event that can't be delivered."""
        self._warn = warn
        self._pending: str | None = None
        self._address = address
        self._job = job
        self._secret = os.environ.get("HELIOS_WEBHOOK_SECRET", "")
        self._queue: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._patience = PATIENCE

    def hurry(self) -> None:
        """Whoever stops a job does not wait for an address."""
        self._patience = _HURRIED

    def tell(self, event: str, values: dict[str, Any]) -> None:
        """Has the address told, as soon as may be."""
        if self._address:
            body = json.dumps({"job": self._job, "event": event, "at": time.time(), **values}).encode()
            self._queue.put_nowait((event, body))

    async def __aenter__(self) -> Webhook:
        self._task = asyncio.create_task(self._deliver())
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._queue.join()
        except TimeoutError:
            waiting = [self._queue.get_nowait()[0] for _ in range(self._queue.qsize())]
            for event in (self._pending, *waiting):
                if event:
                    self._lost(event, "there was no time left")
        finally:
            self._task.cancel()

    async def _deliver(self) -> None:
        while True:
            self._pending, body = await self._queue.get()
            for attempt in range(TRIES):
                failure = await in_daemon(self._post, body)
                if failure is None:
                    break
                if attempt == 0:
                    self._warn(f"the webhook {self._address} fails, and is tried again: {failure}")
                await asyncio.sleep(random.uniform(0, 0.5 * 2**attempt))
            else:
                self._lost(self._pending, f"{TRIES} attempts failed")
            self._pending = None
            self._queue.task_done()

    def _lost(self, event: str, why: str) -> None:
        self._warn(f"the webhook {self._address} did not get the event {event!r}: {why}")

    def _post(self, body: bytes) -> str | None:
        """Why the address did not take it; None if it did."""
        headers = {"Content-Type": "application/json", "User-Agent": "helios"}
        if self._secret:
            headers["Helios-Signature"] = signature(body, self._secret, int(time.time()))
        assert self._address
        try:
            request = urllib.request.Request(self._address, body, headers, method="POST")
            with urllib.request.urlopen(request, timeout=TIMEOUT):
                return None
        except (OSError, ValueError, HTTPException) as error:
            return str(error) or type(error).__name__


def check_webhook(address: str) -> str:
    """The same address, once it is sure that events can be sent to such a one.

    Raises:
        ValueError: they can't.
    """
    try:
        parts = urlsplit(address)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or re.search(r"[\s\x00-\x1f\x7f]", address):
        raise ValueError(f"a webhook is an address such as https://example.com/hook, not {address!r}")
    return address


def signature(body: bytes, secret: str, seconds: int) -> str:
    """The value of ``Helios-Signature`` for a body that is sent at ``seconds`` since 1970."""
    signed = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256)
    return f"t={seconds},v1={signed.hexdigest()}"
