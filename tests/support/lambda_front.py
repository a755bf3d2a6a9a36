"""The HTTP front end of a Lambda function, before real execution environments or a Python function.

It does what AWS does around an environment: limits (429, 413), required signatures, invocation types,
``X-Amz-Function-Error``, the tail of the log, the function's settings.
Source: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import asyncio
import base64
import json
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from aiohttp import web

from support.lambda_environment import ROOT, Environment, Outcome
from support.processes import wait_until

LARGEST = 6 * 1024 * 1024
LARGEST_EVENT = 1024 * 1024
"""Bytes of a payload. Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
USER = "arn:aws:iam::123456789012:user/a"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:"
_PATH = "/2015-03-31/functions/{name}"

Answering = Callable[[bytes], Awaitable[bytes]]


class LambdaFront:
    """The function ``name``. At most ``limit`` events run in parallel, each in an environment or in ``answer``.

    ``invokes`` counts the accepted events, ``throttled`` the refused ones; ``most`` is the highest number in parallel.
    ``payloads`` are those that reached an environment. Failures: the next ``to_throttle`` events are refused,
    ``denied`` refuses all, ``size`` is the largest payload, ``breaks_off`` the header of responses that are cut off.
    ``settings`` is the response of GetFunction.
    """

    def __init__(self, environments: Sequence[Environment], limit: int, settings: dict[str, object]) -> None:
        self.environments = environments
        self.limit = limit
        self.settings = settings
        self.name = settings["FunctionName"]
        self.url = ""
        self.answer: Answering | None = None
        self.under_way = 0
        self._later: set[asyncio.Task[Outcome]] = set()
        self._freed = asyncio.Event()
        self.forget()

    def forget(self) -> None:
        """Resets all counters and failures."""
        self.payloads: list[dict[str, object]] = []
        self.invokes = 0
        self.throttled = 0
        self.most = 0
        self.to_throttle = 0
        self.denied = False
        self.size = LARGEST
        self.breaks_off = ""

    def kill(self, number: int, *, full: bool = False) -> None:
        """Kills the processes of an environment; ``full``: as if its memory were exhausted."""
        environment = self.environments[number]
        wait_until(environment.processes, "a runtime")
        environment.full = full
        environment.end()

    def busy(self) -> list[int]:
        return [number for number, environment in enumerate(self.environments) if environment.busy]

    async def invoke(self, request: web.Request) -> web.Response:
        body = await request.read()
        kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        largest = self.size if kind == "RequestResponse" else min(self.size, LARGEST_EVENT)
        if refusal := self._refusal(request, "InvokeFunction"):
            return refusal
        if len(body) > largest:
            message = f"{len(body)} byte payload is too large for the {kind} invocation type (limit {largest} bytes)"
            return _error(413, "RequestTooLargeException", {"Type": "User", "message": message})
        if kind == "DryRun":
            return web.Response(status=204)
        if kind == "Event":
            later = asyncio.create_task(self._run_later(body))
            self._later.add(later)
            later.add_done_callback(self._later.discard)
            return web.Response(status=202, headers={"x-amzn-RequestId": str(uuid4())})
        if self.to_throttle or not self._has_room():
            self.to_throttle = max(0, self.to_throttle - 1)
            self.throttled += 1
            reason = {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "Type": "User"}
            refusal = _error(429, "TooManyRequestsException", {**reason, "message": "Rate Exceeded."})
            refusal.headers["Retry-After"] = "1"
            return refusal
        outcome = await self._run(body)
        headers = {"X-Amz-Executed-Version": "$LATEST", "x-amzn-RequestId": outcome.request_id}
        if outcome.failed:
            headers["X-Amz-Function-Error"] = "Unhandled"
        if request.headers.get("X-Amz-Log-Type") == "Tail":
            headers["X-Amz-Log-Result"] = base64.b64encode(outcome.log.encode()[-4096:]).decode()
        if self.breaks_off:
            return await self._break_off(request, outcome.body, headers)
        return web.Response(body=outcome.body, headers=headers)

    async def _break_off(self, request: web.Request, body: bytes, headers: dict[str, str]) -> web.Response:
        framing = {"Content-Length": str(len(body)), "Transfer-Encoding": "chunked", "Connection": "close"}
        half = body[: len(body) // 2]
        lines = [f"{name}: {value}" for name, value in (*headers.items(), (self.breaks_off, framing[self.breaks_off]))]
        transport = request.transport
        assert transport
        transport.write("\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode())
        transport.write(b"%x\r\n%s" % (len(body), half) if self.breaks_off == "Transfer-Encoding" else half)
        transport.close()
        await asyncio.sleep(0)
        return web.Response()

    async def function(self, request: web.Request) -> web.Response:
        found = {"Configuration": self.settings, "Code": {"RepositoryType": "ECR", "ImageUri": "helios-worker:1"}}
        return self._refusal(request, "GetFunction") or web.json_response(found)

    async def configuration(self, request: web.Request) -> web.Response:
        return self._refusal(request, "GetFunctionConfiguration") or web.json_response(self.settings)

    async def end(self) -> None:
        """Drops waiting events."""
        for later in list(self._later):
            later.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)

    def _refusal(self, request: web.Request, action: str) -> web.Response | None:
        """Returns the refusal of a request, if any. It requires a signature for the right service, but does not verify it."""
        name = request.match_info["name"].removeprefix(ARN)
        signature = request.headers.get("Authorization")
        if not signature:
            return _error(403, "MissingAuthenticationTokenException", {"message": "Missing Authentication Token"})
        if "/lambda/aws4_request" not in signature:
            message = "Credential should be scoped to correct service: 'lambda'. "
            return _error(403, "InvalidSignatureException", {"message": message})
        if self.denied:
            may_not = f"is not authorized to perform: lambda:{action} on resource: {ARN}{name}"
            because = f"because no identity-based policy allows the lambda:{action} action"
            return _error(403, "AccessDeniedException", {"Message": f"User: {USER} {may_not} {because}"})
        if name != self.name:
            message = f"Function not found: {ARN}{name}"
            return _error(404, "ResourceNotFoundException", {"Type": "User", "Message": message})
        return None

    def _free(self) -> Environment | None:
        return next((found for found in self.environments if not found.busy), None)

    def _has_room(self) -> bool:
        return self.under_way < self.limit and (self.answer is not None or self._free() is not None)

    async def _run_later(self, event: bytes) -> Outcome:
        while not self._has_room():
            self._freed.clear()
            await self._freed.wait()
        return await self._run(event)

    async def _run(self, event: bytes) -> Outcome:
        self.invokes += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        environment = None
        try:
            if self.answer:
                return Outcome(str(uuid4()), await self.answer(event))
            environment = self._free()
            assert environment
            environment.busy = True
            self.payloads.append(json.loads(event or b"{}"))
            return await environment.run(event or b"{}")
        finally:
            if environment:
                environment.busy = False
            self.under_way -= 1
            self._freed.set()


def _error(status: int, code: str, body: dict[str, str]) -> web.Response:
    return web.json_response(body, status=status, headers={"x-amzn-ErrorType": code})


@contextmanager
def lambda_front(
    folder: Path,
    handler: str | None,
    *,
    environments: int = 1,
    limit: int | None = None,
    timeout: int = 900,
    memory_mb: int = 3008,
    env: dict[str, str] | None = None,
    name: str = "helios",
) -> Generator[LambdaFront]:
    """Yields a function with execution environments; events beyond ``limit`` in parallel are throttled.

    Without ``handler`` there are no environments, and the test sets ``answer``. No process is left over, even if this
    one is killed.
    """
    settings: dict[str, object] = {
        "FunctionName": name,
        "FunctionArn": ARN + name,
        "Version": "$LATEST",
        "PackageType": "Image",
        "Architectures": ["x86_64"],
        "MemorySize": memory_mb,
        "Timeout": timeout,
        "EphemeralStorage": {"Size": 512},
        "Environment": {"Variables": env or {}},
        "State": "Active",
        "LastUpdateStatus": "Successful",
    }
    targets: list[Environment] = []
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="lambda-front")
    thread.start()
    with subprocess.Popen(
        [sys.executable, "-m", "support.session_reaper"],
        cwd=ROOT / "tests",
        stdin=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as reaper:
        assert reaper.stdin
        try:
            for number in range(environments if handler else 0):
                where = folder / f"environment-{number}"
                place = Environment(where, handler or "", env or {}, timeout, memory_mb, name)
                reaper.stdin.write(f"{place.process.pid}\n")
                reaper.stdin.flush()
                targets.append(place)
            for place in targets:
                place.await_ready()
            front = LambdaFront(targets, limit or environments, settings)
            runner = asyncio.run_coroutine_threadsafe(_serve(front), loop).result(20)
            try:
                yield front
            finally:
                asyncio.run_coroutine_threadsafe(front.end(), loop).result(20)
                asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
        finally:
            reaper.stdin.close()
            for place in targets:
                place.process.wait(20)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _serve(front: LambdaFront) -> web.AppRunner:
    app = web.Application(client_max_size=2**30)
    app.router.add_post(f"{_PATH}/invocations", front.invoke)
    app.router.add_get(_PATH, front.function)
    app.router.add_get(f"{_PATH}/configuration", front.configuration)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    front.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    return runner
