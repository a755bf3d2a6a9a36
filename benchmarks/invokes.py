"""Measures the cost of a thousand parallel invocations of a function that only waits."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from helios.adapters.aws.adapter import AwsLambdaAdapter, open_lambda
from helios.storage import ArtifactStore
from helios.worker import WorkerJob
from helios.worker.message import JobResponse

PARALLEL = 1000
_WAITS_S = 2.0


@dataclass(frozen=True, slots=True)
class Invokes:
    """CPU time (ms) of an invocation, wall seconds of all, the peak number of sockets, and the peak memory (MB)."""

    invokes: int
    parallel: int
    cpu_ms: float
    wall_s: float
    sockets: int
    peak_mb: float


def invokes(count: int) -> Invokes:
    """Runs ``count`` invocations against a server on loopback with Lambda's API."""
    with _front() as url:
        settings = {
            "AWS_ENDPOINT_URL_LAMBDA": url,
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_REGION": "us-east-1",
        }
        os.environ.update(settings)
        cpu, wall = time.process_time(), time.perf_counter()
        sockets = asyncio.run(_invoke(count))
        cpu_ms = 1000 * (time.process_time() - cpu) / count
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return Invokes(count, PARALLEL, cpu_ms, time.perf_counter() - wall, sockets, peak)


async def _invoke(count: int) -> int:
    room = asyncio.Semaphore(PARALLEL)
    most = 0
    async with open_lambda(parallel=PARALLEL) as client:
        adapter = AwsLambdaAdapter(client, "helios", ArtifactStore.at("memory:///"))

        async def one(number: int) -> None:
            nonlocal most
            async with room:
                await adapter.execute(WorkerJob("helios-renderer", inputs={"spec.json": b"{}"}))
                if number % 100 == 0:
                    most = max(most, _sockets())

        await asyncio.gather(*(one(number) for number in range(count)))
    return most


def _sockets() -> int:
    return sum(path.is_socket() for path in Path("/proc/self/fd").iterdir())


@contextmanager
def _front() -> Generator[str]:
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.invokes"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert server.stdout
    try:
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.wait()


async def _serve() -> None:
    from aiohttp import web

    body = JobResponse(stdout="done\n", lines=1, seconds=_WAITS_S, memory_mb=1).model_dump_json().encode()

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(_WAITS_S)
        return web.Response(body=body)

    app = web.Application()
    app.router.add_post("/2015-03-31/functions/{name}/invocations", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
