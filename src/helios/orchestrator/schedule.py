"""The queue of chunks: the next chunk for the next free worker."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Protocol, TypeVar

from helios.errors import AccessDenied, ChunkFailed, HeliosError, MissingTool, Stalled, Throttled, WorkerRefused
from helios.orchestrator.attempt import Attempt
from helios.orchestrator.attempt_reports import AttemptReports, describe
from helios.orchestrator.chunks import Chunk
from helios.orchestrator.clock import Clock, SystemClock
from helios.orchestrator.events import EventSink, WarningIssued
from helios.orchestrator.liveness import Liveness, LivenessPolicy
from helios.orchestrator.pools import Pools, PoolSlots
from helios.orchestrator.retry import RetryPolicy
from helios.orchestrator.transitions import OnTransition, log_transition
from helios.orchestrator.waiting import wait_for_all

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_POOL_ERRORS = (AccessDenied, MissingTool, WorkerRefused)
"""Errors that other pools may not have."""


class Execute(Protocol[T_co]):
    """Makes one attempt at a chunk. It calls ``heartbeat`` with the number of finished frames, also unchanged."""

    def __call__(self, chunk: Chunk, number: int, worker: int, heartbeat: Callable[[int], None], /) -> Awaitable[T_co]:
        """``number`` counts the attempts at the chunk from 1."""
        ...


@dataclass(slots=True)
class _QueuedChunk:
    chunk: Chunk
    attempts: int = 0
    failures: int = 0
    throttled: int = 0
    lost_twins: int = 0
    """Second attempts, parallel to a straggler, that have failed."""
    no_twin_before: float = 0.0
    avoided: int | None = None
    """The worker whose attempt failed last."""
    causes: list[str] = field(default_factory=list[str])


class Schedule(Generic[T]):
    """Runs ``execute`` for every chunk until each has succeeded once, on the workers of ``pools``: sizes by name.

    An attempt whose error is ``retryable`` is retried by the policy ``retry``, in another pool or else by another
    worker where one is free. An error of a pool closes it, as long as another is open; any other error stops the
    schedule. ``Throttled`` costs no attempt: fewer attempts then run in parallel in that pool, and more again with
    those that succeed. By the policy ``liveness``, dead attempts are stopped, and a straggler gets a second attempt
    where a worker is idle: the first to finish wins, the other is cancelled. No attempt outlives the schedule.

    ``on_transition`` gets each attempt's changes of state, with ``job`` as the job's name.
    """

    def __init__(
        self,
        chunks: Sequence[Chunk],
        pools: Mapping[str, int],
        execute: Execute[T],
        on_finished: Callable[[Attempt, T], None],
        emit: EventSink,
        *,
        job: str = "",
        retry: RetryPolicy | None = None,
        liveness: LivenessPolicy | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        on_transition: OnTransition = log_transition,
    ) -> None:
        self._unfinished = len(chunks)
        self._ready = deque(_QueuedChunk(chunk) for chunk in chunks)
        self._waiting: list[tuple[float, int, _QueuedChunk]] = []
        self._pools = Pools(pools)
        self._execute = execute
        self._on_finished = on_finished
        self._emit = emit
        self._reports = AttemptReports(job, emit, on_transition)
        self._retry = retry or RetryPolicy()
        liveness = liveness or LivenessPolicy()
        self._liveness = Liveness(liveness)
        self._poll_interval = liveness.poll_interval
        self._clock = clock or SystemClock()
        self._rng = rng or random.Random()
        self._running: dict[int, list[_Run[T]]] = {}
        self._done: deque[_Run[T]] = deque()
        self._woken = asyncio.Event()
        self.attempts = 0
        """Attempts that were started."""

    async def run(self) -> None:
        """Returns when every chunk has succeeded.

        Raises:
            ChunkFailed: a chunk failed in all its attempts.
            Throttled: the last pool has throttled all attempts for too long.
            HeliosError: a retry can't help.
        """
        for queued in self._ready:
            self._reports.queued(queued.chunk, 1, "waits for a worker")
        try:
            while self._unfinished:
                self._fill()
                await self._wait()
                while self._done:
                    self._settle(self._done.popleft())
                self._check_liveness()
        finally:
            runs = [run for runs in self._running.values() for run in runs]
            for run in runs:
                run.stop()
            await wait_for_all([run.task for run in runs])
            for run in runs:
                self._reports.cancelled(run.attempt, "the schedule has stopped")

    def _fill(self) -> None:
        now = self._clock.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            self._ready.append(heapq.heappop(self._waiting)[2])
        while found := self._next():
            self._start(*found, reason=f"worker {found[1]} is free")

    def _next(self) -> tuple[_QueuedChunk, int] | None:
        """The next chunk and its worker: another worker than failed at it, where there is a choice."""
        for strictly in (True, False) if self._pools.have_room else ():
            for position, queued in enumerate(self._ready):
                worker = self._pools.take(avoid=queued.avoided, strictly=strictly)
                if worker is not None:
                    del self._ready[position]
                    return queued, worker
        return None

    def _start(self, queued: _QueuedChunk, worker: int, reason: str) -> None:
        now = self._clock.monotonic()
        queued.attempts += 1
        self.attempts += 1
        chunk = queued.chunk
        host = self._pools.find(worker).name
        attempt = Attempt(chunk, queued.attempts, self.attempts, worker, host, now, now)
        self._reports.started(attempt, reason)
        work = self._execute(chunk, attempt.number, worker, partial(self._heartbeat, attempt))
        self._pool(attempt).started(attempt)
        run = _Run(queued, attempt, asyncio.ensure_future(work))
        self._running.setdefault(chunk.index, []).append(run)
        run.task.add_done_callback(lambda _: self._wake(run))

    def _pool(self, attempt: Attempt) -> PoolSlots:
        return self._pools.find(attempt.worker)

    def _heartbeat(self, attempt: Attempt, frames: int) -> None:
        self._liveness.heartbeat(attempt, self._clock.monotonic())
        self._pool(attempt).progressed()
        self._reports.progressed(attempt, frames)

    def _wake(self, run: _Run[T]) -> None:
        self._done.append(run)
        self._woken.set()

    async def _wait(self) -> None:
        """Waits for the end of an attempt, the next retry, or the next check of liveness."""
        delays = [self._poll_interval] if self._running else []
        if self._waiting:
            delays.append(max(0.0, self._waiting[0][0] - self._clock.monotonic()))
        woken = asyncio.ensure_future(self._woken.wait())
        timer = asyncio.ensure_future(self._clock.sleep(min(delays, default=self._poll_interval)))
        try:
            await asyncio.wait([woken, timer], return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            timer.cancel()
        self._woken.clear()

    def _settle(self, run: _Run[T]) -> None:
        attempt = run.attempt
        others = self._running[attempt.chunk.index]
        others.remove(run)
        if not others:
            del self._running[attempt.chunk.index]
        self._pool(attempt).release(attempt.worker)
        if attempt.unwanted:
            self._reports.cancelled(attempt, "another attempt finished first")
            return
        try:
            result = run.outcome()
        except Throttled as failure:
            self._throttled(run.queued, attempt, failure, others)
        except HeliosError as failure:
            self._failed(run.queued, attempt, failure, others)
        except BaseException as error:
            self._reports.broken(attempt, error)
            raise
        else:
            self._succeeded(attempt, result, others)

    def _succeeded(self, attempt: Attempt, result: T, others: list[_Run[T]]) -> None:
        self._reports.finished(attempt)
        pool = self._pool(attempt)
        pool.progressed()
        pool.succeeded()
        self._unfinished -= 1
        self._liveness.finished(attempt, self._clock.monotonic())
        for other in others:
            other.stop()
        self._on_finished(attempt, result)

    def _throttled(self, queued: _QueuedChunk, attempt: Attempt, failure: Throttled, others: list[_Run[T]]) -> None:
        now, pool = self._clock.monotonic(), self._pool(attempt)
        pool.throttled(attempt, now)
        seconds, times = pool.throttled_for(now)
        timed_out = Throttled(
            f"{failure}. {pool.name} started no attempt in {seconds:.0f} s, and throttled {times}: raise its limit, "
            "or use fewer workers (--workers)"
        )
        is_over = seconds > self._retry.throttle_timeout and not pool.closed
        if is_over and self._pools.has_other(pool):
            self._close(pool, timed_out)
        elif is_over and not others:
            self._reports.failed(attempt, failure, retried=False)
            raise timed_out from failure
        self._reports.failed(attempt, failure, retried=not others)
        if others:
            self._put_off_twin(queued)
        else:
            queued.throttled += 1
            self._put_off(queued, queued.throttled)

    def _failed(self, queued: _QueuedChunk, attempt: Attempt, failure: HeliosError, others: list[_Run[T]]) -> None:
        pool = self._pool(attempt)
        pool.progressed()
        if failure.retryable and others:
            self._reports.failed(attempt, failure, retried=False)
            self._put_off_twin(queued)
        elif isinstance(failure, _POOL_ERRORS) and self._pools.has_other(pool):
            self._close(pool, failure)
            self._reports.failed(attempt, failure, retried=not others)
            if not others:
                self._ready.append(queued)
                self._reports.queued(queued.chunk, queued.attempts + 1, f"{pool.name} is closed")
        else:
            self._count_failure(queued, attempt, failure)

    def _count_failure(self, queued: _QueuedChunk, attempt: Attempt, failure: HeliosError) -> None:
        queued.failures += 1
        queued.causes.append(describe(attempt, failure))
        queued.avoided = attempt.worker
        retried = failure.retryable and queued.failures < self._retry.maximum_attempts
        self._reports.failed(attempt, failure, retried=retried)
        if not failure.retryable:
            raise failure
        if not retried:
            message = f"{queued.chunk} failed in {queued.failures} attempts. The last one: {queued.causes[-1]}"
            raise ChunkFailed(message, chunk=queued.chunk.index, causes=queued.causes) from failure
        self._put_off(queued, queued.failures)

    def _put_off(self, queued: _QueuedChunk, failures: int) -> None:
        interval = self._retry.interval(failures, self._rng)
        heapq.heappush(self._waiting, (self._clock.monotonic() + interval, queued.chunk.index, queued))
        self._reports.queued(queued.chunk, queued.attempts + 1, f"retry in {interval:.1f} s")

    def _put_off_twin(self, queued: _QueuedChunk) -> None:
        """After one of two attempts at a chunk failed, the other runs alone for an interval."""
        queued.lost_twins += 1
        queued.no_twin_before = self._clock.monotonic() + self._retry.interval(queued.lost_twins, self._rng)

    def _close(self, pool: PoolSlots, failure: HeliosError) -> None:
        if not pool.closed:
            pool.closed = True
            self._emit(WarningIssued(message=f"{pool.name} is no longer used for this job: {failure}"))

    def _check_liveness(self) -> None:
        """Stops dead attempts, and gives a straggler a second attempt where a worker is idle."""
        now = self._clock.monotonic()
        for runs in self._running.values():
            for run in runs:
                attempt = run.attempt
                if not attempt.unwanted and attempt.silence is None and self._liveness.is_dead(attempt, now):
                    attempt.silence = now - attempt.last_heartbeat
                    run.task.cancel()
        if self._pools.have_room and not self._ready and not self._waiting:
            single = [
                runs[0]
                for runs in self._running.values()
                if len(runs) == 1 and not runs[0].attempt.unwanted and runs[0].queued.no_twin_before <= now
            ]
            late = self._liveness.straggler([run.attempt for run in single], now)
            if late and (worker := self._pools.take()) is not None:
                queued = next(run.queued for run in single if run.attempt is late)
                self._start(queued, worker, reason=f"attempt {late.number} is a straggler")


@dataclass(slots=True, eq=False)
class _Run(Generic[T]):
    """An attempt and its task."""

    queued: _QueuedChunk
    attempt: Attempt
    task: asyncio.Future[T]

    def stop(self) -> None:
        """Cancels it: its result no longer counts."""
        self.attempt.unwanted = True
        self.task.cancel()

    def outcome(self) -> T:
        """Its result, once its task is done."""
        if self.task.cancelled() and self.attempt.silence is not None:
            raise Stalled(f"no heartbeat for {self.attempt.silence:.1f} s: the attempt was stopped")
        return self.task.result()
