"""A Lambda execution environment: AWS's Runtime Interface Emulator with the real ``awslambdaric``."""

import asyncio
import contextlib
import json
import math
import os
import platform
import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import psutil
from aiohttp import ClientSession, ClientTimeout

from support.processes import free_port, in_session, wait_until

ROOT = Path(__file__).parent.parent.parent
_EMULATORS = Path(sys.prefix) / "lambda/samcli/local/rapid"
EMULATOR = _EMULATORS / f"aws-lambda-rie-{'arm64' if platform.machine() == 'aarch64' else 'x86_64'}"
_OWN = re.compile(r"\d\d \w{3} \d{4} \d\d:\d\d:\d\d,\d{3} \[[A-Z]+\] \(rapid\) |(START|END|REPORT) RequestId: ")
"""The prefixes of the emulator's own log lines."""


@dataclass(frozen=True)
class Outcome:
    """The result of an event: the response body, whether it is an error, and the log in AWS's format."""

    request_id: str
    body: bytes
    failed: bool = False
    log: str = ""


@dataclass
class Environment:
    """One execution environment, in its own session. It accepts one event at a time: a second one crashes the emulator.

    ``timeout`` is in whole seconds. ``full`` makes the log report that the memory was exhausted.
    """

    folder: Path
    handler: str
    env: dict[str, str]
    timeout: int
    memory_mb: int
    name: str
    busy: bool = False
    full: bool = False
    process: subprocess.Popen[bytes] = field(init=False)
    log: Path = field(init=False)
    _used_mb: float = 0.0

    def __post_init__(self) -> None:
        assert EMULATOR.exists(), f"there is no {EMULATOR}: scripts/setup dev"
        temporary = self.folder / "tmp"
        temporary.mkdir(parents=True)
        self.log = self.folder / "log"
        self._port = free_port()
        command = [
            str(EMULATOR), "--runtime-interface-emulator-address", f"127.0.0.1:{self._port}",
            "--runtime-api-address", f"127.0.0.1:{free_port()}", sys.executable, "-m", "awslambdaric", self.handler,
        ]  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=self._variables(temporary), cwd=temporary, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip

    def _variables(self, temporary: Path) -> dict[str, str]:
        """Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests"), str(ROOT / "tests/support")]),
            "HOME": str(temporary),
            "TMPDIR": str(temporary),
            "TZ": ":UTC",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_SESSION_TOKEN": "test",
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory_mb),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(self.timeout),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            **self.env,
        }

    def await_ready(self) -> None:
        """Waits until it accepts events. The first event starts the runtime."""

        def listens() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self._port)) == 0

        wait_until(listens, "the runtime emulator")

    def processes(self) -> list[psutil.Process]:
        """Returns its processes, without the emulator."""
        return [process for process in in_session(self.process.pid) if process.pid != self.process.pid]

    def end(self) -> None:
        """Kills all its processes, as AWS does in a broken environment. The next event starts a new runtime."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def stop(self) -> None:
        """Suspends all its processes."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.suspend()

    async def run(self, event: bytes) -> Outcome:
        """Runs an event, and translates the emulator's response into AWS's."""
        self._used_mb, self.full = 0.0, False
        started, start = time.monotonic(), self.log.stat().st_size
        sampling = asyncio.create_task(self._sample())
        address = f"http://127.0.0.1:{self._port}/2015-03-31/functions/function/invocations"
        try:
            async with (
                ClientSession(timeout=ClientTimeout()) as session,
                session.post(address, data=BytesIO(event)) as answer,
            ):
                status, body = answer.status, await answer.read()
        finally:
            sampling.cancel()
        await asyncio.to_thread(self._measure)
        took = (time.monotonic() - started) * 1000
        written = self.log.read_bytes()[start:].decode("utf-8", "replace")
        request_id = re.findall(r"^START RequestId: (\S+)", written, re.MULTILINE)[-1]
        cut_off = body.startswith(b"Task timed out")
        if cut_off:
            body = _error("Sandbox.Timedout", f"RequestId: {request_id} Error: {body.decode()}")
        elif status != 200 and not body:  # the runtime did not start
            reason = re.findall(r"\(rapid\) Process runtime-\d+ exited: (.+)", written)[-1]
            body = _error("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited with error: {reason}")
        if cut_off or status != 200:
            await asyncio.to_thread(self.end)
        lines = [line for line in written.splitlines() if not _OWN.match(line)]
        if cut_off:
            took = self.timeout * 1000
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
            lines += [f"{stamp} {request_id} Task timed out after {self.timeout}.00 seconds", ""]
        elif status != 200:
            found = json.loads(body)
            lines += [found["errorMessage"], found["errorType"]]
        lines.insert(0, f"START RequestId: {request_id} Version: $LATEST")
        lines += [f"END RequestId: {request_id}", self._report(request_id, took, written, cut_off)]
        failed = cut_off or status != 200 or _is_error(body, request_id)
        return Outcome(request_id, body, failed, "\n".join(lines) + "\n")

    def _report(self, request_id: str, took: float, written: str, cut_off: bool) -> str:
        """Returns AWS's REPORT line; times are in ms. Source: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html"""
        started = re.search(r"INIT START.*phase: init\)(?:.*\n)*?.*INIT REPORT\(durationMs: ([\d.]+)\)", written)
        beginning = float(started[1]) if started else 0
        used = self.memory_mb if self.full else min(self._used_mb, self.memory_mb)
        message = [
            f"REPORT RequestId: {request_id}", f"Duration: {max(0, took - beginning):.2f} ms",
            f"Billed Duration: {math.ceil(took)} ms", f"Memory Size: {self.memory_mb} MB",
            f"Max Memory Used: {used:.0f} MB",
        ]  # fmt: skip
        if started:
            message.append(f"Init Duration: {beginning:.2f} ms")
        if cut_off:
            message.append("Status: timeout")
        return "\t".join([*message, ""])

    async def _sample(self) -> None:
        while True:
            await asyncio.to_thread(self._measure)
            await asyncio.sleep(0.2)

    def _measure(self) -> None:
        total = 0.0
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                memory = process.memory_info()
                total += (memory.rss - memory.shared) / 2**20
        self._used_mb = max(self._used_mb, total)


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


def _is_error(body: bytes, request_id: str) -> bool:
    """Whether the runtime has reported a failure of its function: the emulator has no other sign of it."""
    found = json.loads(body)
    return isinstance(found, dict) and "errorType" in found and found.get("requestId") == request_id
