"""Jobs as requests to a Cloud Run service."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from helios.adapters.gcp.id_tokens import IdTokens
from helios.adapters.prices import prices
from helios.errors import (
    AccessDenied,
    HeliosError,
    OutOfMemory,
    Throttled,
    WorkerLost,
    WorkerRefused,
    WorkerTimeout,
)
from helios.release import __version__
from helios.storage import ArtifactStore
from helios.worker import LineSink, WorkerJob, WorkerResult
from helios.worker.job import Usage
from helios.worker.message import JobFinished, JobResponse, OutputLine, Payload, worker_event

_LARGEST = 16 * 1024 * 1024
_FIRST = 600.0
"""Seconds until a service answers at all: an instance may have to start."""
_SILENT = 30.0
"""Seconds without a line after which a worker is lost; it sends one every second."""
_STARTING = 300.0
"""Seconds for which a service may answer that it is not there (503) and nothing else: instances are starting."""
_BILLED_S = 0.1
"""Source: https://cloud.google.com/run/pricing"""


@dataclass(frozen=True, slots=True)
class Instance:
    """What one instance of a service has: memory in MB (MiB), and processors."""

    memory_mb: int = 4096
    cpus: float = 2.0


class CloudRunAdapter:
    """Runs each job in a request to a service that ``helios deploy gcp`` has created. Files go through ``store``.

    A request is repeated once, with another token, where the first was refused (401); nothing else is repeated here:
    whether a job is tried again, its caller decides. Cancelling closes the connection, which ends the job.
    """

    def __init__(
        self, client: httpx.AsyncClient, url: str, store: ArtifactStore, tokens: IdTokens, instance: Instance
    ) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._store = store
        self._tokens = tokens
        self._instance = instance
        self._prices = prices().gcp
        self._spent = 0.0
        self._absent_since: float | None = None

    @property
    def store(self) -> ArtifactStore:
        """Where the service finds inputs and keeps outputs."""
        return self._store

    @property
    def spent(self) -> float:
        """What its requests have cost (US dollars), as far as they came to a worker."""
        return self._spent

    async def execute(self, job: WorkerJob, on_line: LineSink | None = None) -> WorkerResult:
        """Runs ``job`` in the service. See ``WorkerAdapter.execute``.

        Raises:
            Throttled: all instances are busy, or starting.
            OutOfMemory, WorkerTimeout, WorkerLost: it came to no end.
            AccessDenied, WorkerRefused: it may not be called, or does not run such a job.
        """
        payload = Payload.of(job, release=__version__, store=self._store.url)
        message = payload.model_dump_json().encode()
        if len(message) > _LARGEST:
            raise WorkerRefused(
                f"a job's message has {len(message)} bytes, and a worker takes {_LARGEST}: shorten props"
            )
        started = time.monotonic()
        came = False
        try:
            async with aclosing(self._events(message)) as events:
                async for event in events:
                    came = True
                    if isinstance(event, OutputLine) and on_line:
                        on_line(event.line)
                    elif isinstance(event, JobFinished):
                        return self._result(event.response, time.monotonic() - started)
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            raise WorkerLost(f"the connection to {self._url} is broken: {_error_text(error)}") from error
        finally:
            if came:
                self._spent += self._cost(time.monotonic() - started)
        raise WorkerLost(f"{self._url} closed the connection before the job finished")

    async def _events(self, message: bytes) -> AsyncGenerator[Any]:
        for fresh in (False, True):
            token = await self._tokens.token(fresh=fresh)
            headers = {
                "Content-Type": "application/json",
                # Cloud Run takes the signature out of the one that it has checked: a worker that checks too needs both.
                # Source: https://github.com/GoogleCloudPlatform/cloud-run-proxy/pull/25
                "Authorization": f"Bearer {token}",
                "X-Serverless-Authorization": f"Bearer {token}",
            }
            asked = self._client.build_request("POST", f"{self._url}/jobs", content=message, headers=headers)
            async with asyncio.timeout(_FIRST):
                answer = await self._client.send(asked, stream=True)
            try:
                if answer.status_code == 401 and not fresh:
                    continue
                if answer.status_code != 200:
                    raise self._failure(answer.status_code, await _detail(answer))
                self._absent_since = None
                lines = answer.aiter_lines()
                while (line := await _next(lines)) is not None:
                    yield worker_event.validate_json(line)
                return
            finally:
                await answer.aclose()

    def _failure(self, status: int, message: str) -> HeliosError:
        """What an answer other than 200 means. Source: https://cloud.google.com/run/docs/troubleshooting"""
        service = self._url
        match status:
            case 401:
                return AccessDenied(f"{service} does not take this ID token: {message} (see docs/gcp.md)")
            case 403:
                return AccessDenied(f"{service} may not be called: {message} (the role is roles/run.invoker)")
            case 404:
                return WorkerRefused(f"there is no worker at {service}: helios deploy gcp")
            case 413:
                return WorkerRefused(f"a job's message is too large for {service}: shorten props")
            case 429:
                return Throttled(f"{service} runs no more jobs in parallel: {message}")
            case 503:
                now = time.monotonic()
                self._absent_since = self._absent_since or now
                if now - self._absent_since < _STARTING:
                    return Throttled(f"{service} has no instance for the job yet: {message}")
                return WorkerLost(
                    f"{service} starts no instance: {message} (its logs say why: gcloud run services logs read)"
                )
            case 504:
                return WorkerTimeout(
                    f"{service} cut the job off: {message}: give chunks fewer frames (--chunk-frames), or the service "
                    "more time (helios deploy gcp --timeout)"
                )
            case _ if status >= 500:
                return WorkerLost(f"{service} answers with {status}: {message}")
            case _:
                return WorkerRefused(message if status == 422 else f"{service} answers with {status}: {message}")

    def _result(self, answer: JobResponse, seconds: float) -> WorkerResult:
        full = answer.memory_mb >= 0.95 * self._instance.memory_mb
        if answer.exit_code and full:
            raise OutOfMemory(
                f"{self._url} needs more than its {self._instance.memory_mb} MB: helios deploy gcp --memory"
            )
        result = answer.result()
        usage = Usage(_billed(seconds), answer.memory_mb, self._cost(seconds))
        return WorkerResult(result.exit_code, result.stdout, result.stderr, result.duration_ms, result.outputs, usage)

    def _cost(self, seconds: float) -> float:
        return self._prices.make_request(_billed(seconds), self._instance.memory_mb, self._instance.cpus)


@asynccontextmanager
async def open_cloud_run(
    url: str, store: ArtifactStore, instance: Instance, *, parallel: int = 1000
) -> AsyncGenerator[CloudRunAdapter]:
    """The adapter for the service at ``url``, with the credentials that Google's tools find here.

    Raises:
        AccessDenied: there are none.
    """
    limits = httpx.Limits(max_connections=parallel, max_keepalive_connections=parallel)
    timeout = httpx.Timeout(None, connect=20.0)
    tokens = await IdTokens.here(url)
    async with httpx.AsyncClient(limits=limits, timeout=timeout, follow_redirects=False) as client:
        yield CloudRunAdapter(client, url, store, tokens, instance)


async def _next(lines: AsyncIterator[str]) -> str | None:
    async with asyncio.timeout(_SILENT):
        return await anext(lines, None)


async def _detail(answer: httpx.Response) -> str:
    """The cause of an error: the detail of problem details, or else the start of the text."""
    async with asyncio.timeout(_SILENT):
        text = (await answer.aread()).decode("utf-8", "replace")
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        found: Any = answer.json()
        return str(found.get("detail", ""))
    return " ".join(text.split())[:200] or answer.reason_phrase


def _billed(seconds: float) -> float:
    return math.ceil(seconds / _BILLED_S) * _BILLED_S


def _error_text(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it does not respond any more"
    return str(error) or type(error).__name__
