"""Jobs as invocations of an AWS Lambda function."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import platform
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

from helios.adapters.aws.errors import Report, advised, aws_errors, failure_of_function, full_disk
from helios.adapters.prices import prices
from helios.errors import HeliosError, UsageError, WorkerLost, WorkerRefused
from helios.release import __version__
from helios.storage import ArtifactStore
from helios.storage.s3 import named_region
from helios.worker import LineSink, WorkerJob, WorkerResult
from helios.worker.job import Usage
from helios.worker.message import Heartbeat, JobResponse, Payload

_LONGEST = 900
"""Seconds that a function may take at most.
Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
_LARGEST = 6 * 1024 * 1024
_POLLS = 50  # of heartbeats, in a second, for all jobs together


class AwsLambdaAdapter:
    """Runs each job in an invocation of a function that ``helios deploy aws`` has created. Files go through ``store``.

    An invocation is never repeated by this adapter: whether a job is tried again, its caller decides. Cancelling
    drops the request, and the worker ends the job when it next looks.
    """

    def __init__(self, client: Any, function: str, store: ArtifactStore) -> None:
        """``client`` is aiobotocore's for Lambda: see ``open_lambda``."""
        self._client = client
        self._function = function
        self._store = store
        self._prices = prices().aws
        self._under_way = 0
        self._spent = 0.0

    @property
    def store(self) -> ArtifactStore:
        """Where the function finds inputs and keeps outputs."""
        return self._store

    @property
    def spent(self) -> float:
        """The cost of the invocations that returned a response (US dollars)."""
        return self._spent

    async def execute(self, job: WorkerJob, on_line: LineSink | None = None) -> WorkerResult:
        """Runs ``job`` in the function. See ``WorkerAdapter.execute``.

        Raises:
            Throttled: too many invocations are under way.
            OutOfMemory, OutputError, WorkerTimeout, WorkerLost: the function failed, for that reason.
            AccessDenied, WorkerRefused: it may not be invoked, or does not run such a job.
        """
        progress = f"progress/{secrets.token_hex(16)}"
        payload = Payload.of(job, release=__version__, store=self._store.url, progress=progress)
        message = payload.model_dump_json().encode()
        if len(message) > _LARGEST:
            raise WorkerRefused(f"a job's message has {len(message)} bytes, and Lambda takes {_LARGEST}: shorten props")
        watched = _Progress(self._store, progress, on_line)
        self._under_way += 1
        work = asyncio.create_task(self._invoke(message))
        watch = asyncio.create_task(self._watch(watched))
        try:
            await asyncio.wait([work, watch], return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                watch.result()  # raises an error of on_line
            result, lines = work.result()
        finally:
            self._under_way -= 1
            watch.cancel()
            if not work.done():
                work.cancel()
                await asyncio.shield(watched.stop())
            await asyncio.wait([work, watch])
        watched.finish(result.stdout, lines)
        with contextlib.suppress(HeliosError):
            await self._store.delete([progress])
        return result

    async def _invoke(self, message: bytes) -> tuple[WorkerResult, int]:
        with aws_errors(self._function, len(message)):
            answer: dict[str, Any] = await self._client.invoke(
                FunctionName=self._function, InvocationType="RequestResponse", LogType="Tail", Payload=BytesIO(message)
            )
            async with answer["Payload"] as stream:
                body: bytes = await stream.read()
        log = base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace")
        report = Report(log)
        if "FunctionError" in answer:
            self._spent += self._cost(report, report.billed_s or 0.0, platform.machine())
            raise failure_of_function(body, log, self._function)
        try:
            content = json.loads(body)
        except ValueError:
            raise WorkerLost(f"the response of {self._function} broke off after {len(body)} bytes") from None
        try:
            found = JobResponse.model_validate(content)
        except ValueError:
            raise WorkerRefused(f"{self._function} is no worker of Helios {__version__}: helios deploy aws") from None
        cost = self._cost(report, report.billed_s or found.seconds, found.machine)
        self._spent += cost
        try:
            result = found.result()
        except HeliosError as error:
            raise (report.out_of_memory(self._function) if report.is_full else advised(error)) from None
        if result.exit_code and report.is_full:
            raise report.out_of_memory(self._function)
        if result.exit_code and (full := full_disk(f"{result.stdout}\n{result.stderr}")):
            raise full
        usage = Usage(report.billed_s or found.seconds, report.used_mb or found.memory_mb, cost)
        result = WorkerResult(result.exit_code, result.stdout, result.stderr, result.duration_ms, result.outputs, usage)
        return result, found.lines

    def _cost(self, report: Report, seconds: float, machine: str) -> float:
        return self._prices.invocation_cost(seconds, report.memory_mb or 0.0, machine)

    async def _watch(self, progress: _Progress) -> None:
        while True:
            await asyncio.sleep(max(1.0, self._under_way / _POLLS))
            await progress.poll()


@asynccontextmanager
async def open_lambda(region: str | None = None, *, parallel: int = 1000) -> AsyncGenerator[Any]:
    """A client for Lambda, as AWS is set up here, for so many invocations in parallel.

    It waits longer than any function runs, and repeats nothing by itself: by default it would invoke a slow function
    again. Source: https://repost.aws/knowledge-center/lambda-function-retry-timeout-sdk

    Raises:
        UsageError: AWS is not set up.
    """
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session
    from botocore.exceptions import BotoCoreError

    settings = AioConfig(
        read_timeout=_LONGEST + 60,
        connect_timeout=20,
        retries={"total_max_attempts": 1},
        max_pool_connections=parallel,
        tcp_keepalive=True,
    )
    session: Any = get_session()
    try:
        opened = session.create_client("lambda", region_name=region or named_region(), config=settings)
        client = await opened.__aenter__()
    except BotoCoreError as error:
        raise UsageError(f"AWS is not set up here: {error} (see docs/aws.md)") from None
    try:
        yield client
    finally:
        await opened.__aexit__(None, None, None)


class _Progress:
    """Reads the heartbeats of a job while it runs, and passes their new lines on."""

    def __init__(self, store: ArtifactStore, key: str, on_line: LineSink | None) -> None:
        self._store = store
        self._key = key
        self._on_line: LineSink = on_line or (lambda _: None)
        self._seen = 0

    async def poll(self) -> None:
        """Passes on new lines. A store that fails is read again later."""
        try:
            heartbeat = Heartbeat.model_validate_json(await self._store.get(self._key))
        except (HeliosError, ValueError):
            return
        self._pass_on(heartbeat.tail, heartbeat.lines)

    def finish(self, stdout: str, lines: int) -> None:
        """Passes on the lines that no heartbeat had."""
        self._pass_on(stdout.splitlines(), lines)

    async def stop(self) -> None:
        """Asks the worker to stop."""
        with contextlib.suppress(HeliosError):
            await self._store.put(f"{self._key}.stop", b"")

    def _pass_on(self, last: Sequence[str], lines: int) -> None:
        new = max(0, lines - self._seen)
        self._seen = max(lines, self._seen)
        for line in last[-new:] if new else ():
            self._on_line(line)
