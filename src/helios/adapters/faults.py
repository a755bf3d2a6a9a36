"""Failures on purpose, for testing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from helios.adapters.local import LocalWorkerAdapter
from helios.errors import Throttled, UsageError
from helios.worker import LineSink, WorkerJob, WorkerResult

_FAULT = r"(?:(kill|throttle|corrupt|store)=|slow=([1-9]\d*(?:\.\d+)?)x@)(0|1|0?\.\d+|1\.0)"
_CYCLE = 0.08  # seconds in which a slow process has its turn and its pause


@dataclass(frozen=True, slots=True)
class Faults:
    """How likely it is (0 to 1) that a job is killed, throttled, its output damaged, or that a store does not answer.

    One of ``slow`` is ``slowness`` times slower than it could be. The same ``seed`` gives the same failures.
    """

    kill: float = 0.0
    slow: float = 0.0
    slowness: float = 4.0
    throttle: float = 0.0
    corrupt: float = 0.0
    store: float = 0.0
    seed: int | None = None

    @classmethod
    def parse(cls, text: str) -> Faults:
        """The faults that ``text`` names, as in ``kill=0.1,slow=4x@0.05,throttle=0.2,corrupt=0.02,store=0.01,seed=7``.

        Raises:
            UsageError: it names none.
        """
        values: dict[str, float] = {}
        for part in filter(None, text.split(",")):
            found = re.fullmatch(_FAULT, part.strip())
            seed = re.fullmatch(r"seed=(\d+)", part.strip())
            if seed:
                values["seed"] = int(seed[1])
            elif found:
                values[found[1] or "slow"] = float(found[3])
                if found[2]:
                    values["slowness"] = float(found[2])
            else:
                raise UsageError(f"{part!r} is no fault: say kill=0.1,slow=4x@0.05,throttle=0.2,corrupt=0.02,store=0.1")
        return cls(**values)  # pyright: ignore[reportArgumentType]: the seed is an int


def check_faults(text: str | None) -> None:
    """Checks that ``text``, where there is one, names faults.

    Raises:
        UsageError: it names none.
    """
    Faults.parse(text or "")


class FaultInjectingAdapter:
    """Runs jobs as child processes, and injects failures: it kills and stops them, and damages their files."""

    store = None
    spent = None

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._chance = random.Random(faults.seed)
        self._usual = 1.0
        self._local = LocalWorkerAdapter(on_start=lambda group: _victim.get().started(group))

    async def execute(self, job: WorkerJob, on_line: LineSink | None = None) -> WorkerResult:
        """See ``WorkerAdapter.execute``."""
        faults, chance = self._faults, self._chance
        if chance.random() < faults.throttle:
            raise Throttled("too much is under way (injected)")
        delay = chance.uniform(0, 1.2 * self._usual) if chance.random() < faults.kill else None
        pause = 1 - 1 / faults.slowness if chance.random() < faults.slow else 0.0
        damage = chance.random() < faults.corrupt
        async with _Victim(delay, pause).watched():
            result = await self._local.execute(job, on_line)
        if result.exit_code == 0:
            self._usual += (result.duration_ms / 1000 - self._usual) / 10
            if damage:
                await asyncio.to_thread(_damage, job, chance)
        return result

    async def before_request(self) -> None:
        """Fails now and then, as a store does. Await it before each request to one."""
        if self._chance.random() < self._faults.store:
            raise OSError("the store does not answer (injected)")


class _Victim:
    """A process group that is killed after ``delay`` seconds, and paused for a part of the time."""

    def __init__(self, delay: float | None, pause: float) -> None:
        self._delay = delay
        self._pause = pause
        self._group: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def started(self, group: int) -> None:
        """Notes that the process group runs."""
        self._group.set_result(group)

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None]:
        token = _victim.set(self)
        tasks = [asyncio.create_task(self._kill()), asyncio.create_task(self._slow())]
        try:
            yield
        finally:
            _victim.reset(token)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _kill(self) -> None:
        if self._delay is not None:
            group = await self._group
            await asyncio.sleep(self._delay)
            _signal(group, signal.SIGKILL)

    async def _slow(self) -> None:
        if not self._pause:
            return
        group = await self._group
        try:
            while True:
                _signal(group, signal.SIGSTOP)
                await asyncio.sleep(_CYCLE * self._pause)
                _signal(group, signal.SIGCONT)
                await asyncio.sleep(_CYCLE * (1 - self._pause))
        finally:
            _signal(group, signal.SIGCONT)


_victim: ContextVar[_Victim] = ContextVar("victim")


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _damage(job: WorkerJob, chance: random.Random) -> None:
    for name in job.outputs:
        assert job.cwd, "who has outputs has a folder"
        path = job.cwd / name
        with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
            at = chance.randrange(max(1, path.stat().st_size))
            file.seek(at)
            byte = file.read(1)
            file.seek(at)
            file.write(bytes([(byte or b"\0")[0] ^ 0xFF]))
