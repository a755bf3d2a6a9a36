"""The worker behind HTTP, for Cloud Run and other hosts: one job at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncGenerator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from helios.errors import AccessDenied, HeliosError, WorkerLost, WorkerRefused
from helios.release import __version__
from helios.worker.message import Failure, HeartbeatEvent, JobFinished, JobResponse, OutputLine, Payload
from helios.worker.openapi import document
from helios.worker.process import Flow
from helios.worker.runtime import Worker
from helios.worker.tokens import TokenVerifier, UnknownCaller

LARGEST = 16 * 1024 * 1024
"""Bytes that a payload may have."""
_UNREAD = 1024 * 1024
"""Characters of lines that a caller need not have read, before the command waits for it."""
_HEARTBEAT_S = 1.0
_GRACE = 8
"""Seconds, of the ten that Cloud Run gives, to answer the caller of a running job.
Source: https://cloud.google.com/run/docs/container-contract#instance-shutdown"""


class _Lines:
    """The lines of a command that its caller has not read. Where there are too many, the command has to wait."""

    def __init__(self) -> None:
        self.flow = Flow()
        self._unread: asyncio.Queue[str] = asyncio.Queue()
        self._size = 0

    @property
    def are_left(self) -> bool:
        return not self._unread.empty()

    def put(self, line: str) -> None:
        self._unread.put_nowait(line)
        self._size += len(line) + 1
        if self._size > _UNREAD:
            self.flow.pause()

    async def get(self) -> OutputLine:
        line = await self._unread.get()
        self._size -= len(line) + 1
        if self._size <= _UNREAD:
            self.flow.resume()
        return OutputLine(line=line)


class WorkerApp:
    """Accepts jobs for ``worker`` from callers that ``verifier`` lets in; None if a proxy has checked them."""

    def __init__(self, worker: Worker, verifier: TokenVerifier | None) -> None:
        self._worker = worker
        self._callers = verifier
        self._job: asyncio.Task[JobResponse] | None = None
        self._busy = False
        self._closed = False

    def close(self) -> None:
        """Refuses new jobs, and stops the running one; its caller gets WorkerLost."""
        self._closed = True
        if self._job:
            self._job.cancel()

    async def jobs(self, request: Request) -> Response:
        """Runs one job, and streams its events."""
        await self._authenticate(request)
        if (kind := request.headers.get("content-type", "").partition(";")[0].strip()) != "application/json":
            raise HTTPException(415, f"a job is application/json, not {kind or 'of no type'}")
        payload = _payload(await _body(request))
        try:
            self._worker.check(payload)
        except WorkerRefused as error:
            raise HTTPException(422, str(error)) from error
        if self._closed:
            raise HTTPException(503, "the worker is being shut down")
        if self._busy:
            raise HTTPException(429, "the worker has a job already")
        self._busy = True
        return _Stream(self, payload)

    async def health(self, request: Request) -> Response:
        """Reports whether the worker accepts jobs."""
        return JSONResponse({"release": __version__, "busy": self._busy}, 503 if self._closed else 200)

    async def openapi(self, request: Request) -> Response:
        """The OpenAPI document of this service."""
        return JSONResponse(document(self._worker, secured=self._callers is not None))

    async def run(self, payload: Payload) -> AsyncGenerator[OutputLine | HeartbeatEvent | JobFinished]:
        """Runs a job and yields its events, ``JobFinished`` last. Leaving the loop early stops the job."""
        message = _Lines()
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            self._job = job = asyncio.create_task(self._worker.run(payload, on_line=message.put, flow=message.flow))
            if self._closed:
                job.cancel()
            while not job.done() or message.are_left:
                next_line = asyncio.create_task(message.get())
                await asyncio.wait([next_line, job], timeout=_HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
                if next_line.done():
                    yield next_line.result()
                    continue
                next_line.cancel()
                if not job.done():
                    yield HeartbeatEvent(seconds=loop.time() - started)
            yield JobFinished(response=_response(job, loop.time() - started))
        finally:
            if self._job:
                self._job.cancel()
                await asyncio.wait([self._job])
            self._job = None

    def free(self) -> None:
        """Accepts the next job."""
        self._busy = False

    async def _authenticate(self, request: Request) -> None:
        if self._callers:
            try:
                await self._callers.check(request.headers.get("authorization", ""))
            except UnknownCaller as error:
                raise HTTPException(401, str(error), {"WWW-Authenticate": "Bearer"}) from error
            except AccessDenied as error:
                raise HTTPException(403, str(error)) from error
            except WorkerLost as error:
                raise HTTPException(503, str(error)) from error


def service(worker: Worker, verifier: TokenVerifier | None) -> Starlette:
    """The HTTP application: see ``WorkerApp`` and ``openapi.document``."""
    worker_app = WorkerApp(worker, verifier)
    app = Starlette(
        routes=[
            Route("/jobs", worker_app.jobs, methods=["POST"]),
            Route("/healthz", worker_app.health),
            Route("/openapi.json", worker_app.openapi),
        ],
        exception_handlers={HTTPException: _problem, Exception: _broken},
    )
    app.state.worker_app = worker_app
    return app


def serve(worker: Worker, verifier: TokenVerifier | None, host: str, port: int) -> None:
    """Serves until SIGTERM or SIGINT, which stop a running job."""
    app = service(worker, verifier)
    config = uvicorn.Config(
        app, host, port, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=_GRACE
    )
    _Server(config).run()


class _Server(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for socket in server.sockets:
                host, port, *_ = socket.getsockname()
                print(f"helios: jobs are taken at http://{host}:{port}/jobs", file=sys.stderr, flush=True)

    def handle_exit(self, sig: int, frame: Any) -> None:
        self.config.app.state.worker_app.close()  # pyright: ignore
        super().handle_exit(sig, frame)


class _Stream(Response):
    """A job's events as JSON lines. When the caller disconnects, the job stops."""

    media_type = "application/x-ndjson"

    def __init__(self, worker_app: WorkerApp, payload: Payload) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._app = worker_app
        self._payload = payload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send(send))
        gone = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait([sending, gone], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, gone):
                task.cancel()
            await asyncio.wait([sending, gone])
            self._app.free()
        if not sending.cancelled():
            sending.result()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with contextlib.aclosing(self._app.run(self._payload)) as events:
            async for event in events:
                body = event.model_dump_json().encode() + b"\n"
                await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > LARGEST:
                raise HTTPException(413, f"a job has at most {LARGEST} bytes")
    except ClientDisconnect:
        raise HTTPException(400, "the job's end is missing") from None
    return bytes(body)


def _payload(body: bytes) -> Payload:
    try:
        json.loads(body)
    except ValueError as error:
        raise HTTPException(400, f"the body is no JSON: {error}") from None
    try:
        return Payload.read(body, __version__)
    except WorkerRefused as error:
        raise HTTPException(422, str(error)) from None


def _response(job: asyncio.Task[JobResponse], seconds: float) -> JobResponse:
    if not job.cancelled() and not job.exception():
        return job.result()
    if job.cancelled():
        error: HeliosError = WorkerLost("the worker was shut down while it ran the job")
    else:
        error = WorkerLost(f"the worker failed: {type(job.exception()).__name__}")
        print(f"helios: the worker failed: {job.exception()!r}", file=sys.stderr)
    return JobResponse(failure=Failure.of(error), seconds=seconds, memory_mb=0.0)


async def _problem(request: Request, error: Exception) -> Response:
    """An error as problem details. Source: https://www.rfc-editor.org/rfc/rfc9457"""
    assert isinstance(error, HTTPException)
    return _make_problem(error.status_code, error.detail, error.headers)


async def _broken(request: Request, error: Exception) -> Response:
    return _make_problem(500, "the worker failed", None)


def _make_problem(status: int, detail: str, headers: Any) -> Response:
    from http import HTTPStatus

    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(body, status, headers, "application/problem+json")
