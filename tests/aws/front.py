"""Lambda's Invoke path in front of real execution environments: AWS's runtime emulator, each with ``awslambdaric``.

The emulator has one environment, and answers with a function's body alone. What AWS puts around that is added here:
limits (429, 413), ``X-Amz-Function-Error``, the log's tail, signatures that must be there.
"""

import asyncio
import base64
import contextlib
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psutil
from aiohttp import ClientError, ClientSession, web

from processes import wait_until

ROOT = Path(__file__).parent.parent.parent
EMULATOR = (
    ROOT
    / ".venv/lambda/samcli/local/rapid"
    / f"aws-lambda-rie-{'arm64' if platform.machine() == 'aarch64' else 'x86_64'}"
)
LARGEST = 6 * 1024 * 1024
ARN = "arn:aws:lambda:us-east-1:123456789012:function:"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Environment:
    """One execution environment: an emulator with its runtime, in a session of its own."""

    folder: Path
    handler: str
    env: dict[str, str]
    timeout: float
    memory_mb: int
    busy: bool = False
    used_mb: float = 0.0
    full: bool = False
    process: subprocess.Popen[bytes] = field(init=False)
    port: int = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.port = free_port()
        self.log = self.folder / "log"
        (self.folder / "tmp").mkdir()
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests"), str(ROOT / "tests/aws")]),
            "HOME": str(self.folder / "tmp"),
            "TMPDIR": str(self.folder / "tmp"),
            "AWS_LAMBDA_FUNCTION_NAME": "helios",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory_mb),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(int(self.timeout)),
            **self.env,
        }
        command = [
            "setpriv", "--pdeathsig", "KILL",
            str(EMULATOR), "--runtime-interface-emulator-address", f"127.0.0.1:{self.port}",
            "--runtime-api-address", f"127.0.0.1:{free_port()}", sys.executable, "-m", "awslambdaric", self.handler,
        ]  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=env, cwd=self.folder / "tmp", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        wait_until(self._listens, "the runtime emulator")

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def processes(self) -> list[psutil.Process]:
        """All that run in it, but the emulator."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(OSError, psutil.Error):
                if os.getsid(process.pid) == self.process.pid and process.pid != self.process.pid:
                    found.append(process)
        return found

    def end(self) -> None:
        """What AWS does to a broken environment: nothing that ran in it is left."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def stop(self) -> None:
        """Has all that runs in it stand still."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.suspend()

    def measure(self) -> None:
        total = 0.0
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                memory = process.memory_info()
                total += (memory.rss - memory.shared) / 2**20
        self.used_mb = max(self.used_mb, total)


Answering = Callable[[bytes], Awaitable[bytes]]


class LambdaFront:
    """A function as AWS offers it. ``invokes`` counts those that were let in, ``throttled`` those that were not."""

    def __init__(self, folder: Path, limit: int, name: str) -> None:
        self.folder = folder
        self.limit = limit
        self.name = name
        self.url = ""
        self.environments: list[Environment] = []
        self.answer: Answering | None = None
        self.payloads: list[dict[str, object]] = []
        self.invokes = 0
        self.throttled = 0
        self.under_way = 0
        self.most = 0
        self.to_throttle = 0
        self.denied = False
        self.size = LARGEST

    def kill(self, number: int, *, full: bool = False) -> None:
        """Ends what runs in an environment; ``full``: as if its memory had not been enough."""
        environment = self.environments[number]
        environment.full = full
        environment.end()

    def busy(self) -> list[int]:
        return [number for number, environment in enumerate(self.environments) if environment.busy]

    async def invoke(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.denied or "/lambda/aws4_request" not in request.headers.get("Authorization", ""):
            said = f"User: arn:aws:iam::123456789012:user/a is not authorized to perform: lambda:InvokeFunction on resource: {ARN}{self.name}"
            return _error(403, "AccessDeniedException", {"Message": said})
        if request.match_info["name"] != self.name:
            said = f"Function not found: {ARN}{request.match_info['name']}"
            return _error(404, "ResourceNotFoundException", {"Type": "User", "Message": said})
        if len(body) > self.size:
            said = f"{len(body)} byte payload is too large for the RequestResponse invocation type (limit {self.size} bytes)"
            return _error(413, "RequestTooLargeException", {"Type": "User", "message": said})
        if self.to_throttle or self.under_way >= self.limit:
            self.to_throttle = max(0, self.to_throttle - 1)
            self.throttled += 1
            reason = {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "Type": "User"}
            return _error(429, "TooManyRequestsException", {**reason, "message": "Rate Exceeded."})
        self.invokes += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            if self.answer:
                return web.Response(body=await self.answer(body), headers={"X-Amz-Executed-Version": "$LATEST"})
            self.payloads.append(json.loads(body))
            return await self._invoke_real(body)
        finally:
            self.under_way -= 1

    async def _invoke_real(self, body: bytes) -> web.Response:
        environment = next(found for found in self.environments if not found.busy)
        environment.busy, environment.used_mb, environment.full = True, 0.0, False
        begun, start = time.monotonic(), environment.log.stat().st_size
        sampling = asyncio.create_task(_sample(environment))
        try:
            address = f"http://127.0.0.1:{environment.port}/2015-03-31/functions/function/invocations"
            async with ClientSession() as session, session.post(address, data=body) as answer:
                status, said = answer.status, await answer.read()
        except (ClientError, OSError) as error:
            status, said = 502, json.dumps({"errorType": "Runtime.ExitError", "errorMessage": str(error)}).encode()
        finally:
            sampling.cancel()
            await asyncio.to_thread(environment.measure)
            environment.busy = False
        took = (time.monotonic() - begun) * 1000
        headers = {"X-Amz-Executed-Version": "$LATEST", "x-amzn-RequestId": str(uuid4())}
        if said.startswith(b"Task timed out"):
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
            text = f"{stamp} {headers['x-amzn-RequestId']} {said.decode()}"
            said = json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": text}).encode()
            status = 502
        if status != 200:
            environment.end()
        if status != 200 or _is_error(said):
            headers["X-Amz-Function-Error"] = "Unhandled"
        used = environment.memory_mb if environment.full else min(environment.used_mb, environment.memory_mb)
        log = [
            line
            for line in environment.log.read_bytes()[start:].decode("utf-8", "replace").splitlines()
            if "(rapid)" not in line and not line.startswith("REPORT")
        ]
        log.append(
            f"REPORT RequestId: {headers['x-amzn-RequestId']}\tDuration: {took:.2f} ms\tBilled Duration: {took:.0f} ms\t"
            f"Memory Size: {environment.memory_mb} MB\tMax Memory Used: {used:.0f} MB\t"
        )
        headers["X-Amz-Log-Result"] = base64.b64encode("\n".join(log).encode()[-4096:]).decode()
        return web.Response(body=said, headers=headers)


async def _sample(environment: Environment) -> None:
    while True:
        await asyncio.to_thread(environment.measure)
        await asyncio.sleep(0.2)


def _is_error(body: bytes) -> bool:
    found = json.loads(body)
    return isinstance(found, dict) and "errorMessage" in found and "errorType" in found


def _error(status: int, code: str, body: dict[str, str]) -> web.Response:
    return web.json_response(body, status=status, headers={"x-amzn-ErrorType": code})


@contextmanager
def lambda_front(
    folder: Path,
    handler: str | None,
    *,
    environments: int = 1,
    limit: int | None = None,
    timeout: float = 900,
    memory_mb: int = 3538,
    env: dict[str, str] | None = None,
    name: str = "helios",
) -> Generator[LambdaFront]:
    """A function with so many execution environments; more invocations at once than ``limit`` are throttled.

    Without ``handler`` there are none, and whoever takes it sets ``answer``.
    """
    front = LambdaFront(folder, limit or environments, name)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="lambda-front")
    thread.start()
    try:
        for number in range(environments if handler else 0):
            where = folder / f"environment-{number}"
            front.environments.append(Environment(where, handler or "", env or {}, timeout, memory_mb))
        runner = asyncio.run_coroutine_threadsafe(_serve(front), loop).result(20)
        try:
            yield front
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
    finally:
        for environment in front.environments:
            environment.end()
            os.killpg(environment.process.pid, signal.SIGKILL)
            environment.process.wait()
            environment.end()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _serve(front: LambdaFront) -> web.AppRunner:
    app = web.Application(client_max_size=2**30)
    app.router.add_post("/2015-03-31/functions/{name}/invocations", front.invoke)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    front.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    return runner
