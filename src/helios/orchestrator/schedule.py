"""The queue of chunks: which one is next, and for which worker."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Protocol, TypeVar

from helios.errors import AccessDenied, ChunkFailed, HeliosError, MissingTool, Stalled, Throttled, WorkerRefused
from helios.orchestrator.attempt import Attempt
from helios.orchestrator.chunks import Chunk
from helios.orchestrator.clock import Clock, SystemClock
from helios.orchestrator.events import ChunkAttemptFailed, ChunkProgressed, ChunkStarted, EventSink, WarningIssued
from helios.orchestrator.liveness import Liveness, LivenessPolicy
from helios.orchestrator.pools import WorkerPool
from helios.orchestrator.retry import RetryPolicy
from helios.orchestrator.waiting import end_of

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_OF_POOLS = (AccessDenied, MissingTool, WorkerRefused)
"""Errors that another pool need not have."""


class Execute(Protocol[T_co]):
    """Makes one attempt at a chunk; calls ``heartbeat`` with the frames that are done, or with the same again."""

    def __call__(self, chunk: Chunk, number: int, worker: int, heartbeat: Callable[[int], None], /) -> Awaitable[T_co]:
        """``number`` counts the attempts at the chunk from 1."""
        ...


@dataclass(slots=True)
class _State:
    chunk: Chunk
    attempts: int = 0
    failures: int = 0
    throttled: int = 0
    lost_twins: int = 0
    """Second attempts beside a late one that have failed."""
    no_twin_before: float = 0.0
    avoided: int | None = None
    """The worker that has failed at it last."""
    causes: list[str] = field(default_factory=list[str])


class Schedule(Generic[T]):
    """Runs ``execute`` for every chunk on ``workers``, until each has succeeded once. ``workers`` holds, for each of
    them, the number of the pool that it belongs to; as a number, so many of one pool.

    An attempt whose error is ``retryable`` is repeated as ``retry`` says, in another pool or else by another worker
    where one is free. An error that is of a pool closes it, as long as there is another; any other error ends the
    schedule. ``Throttled`` costs no attempt: fewer attempts then run at once in that pool, and more again with those
    that succeed. ``liveness`` says which attempts are stopped as dead, and which late ones are started a second time
    where a worker is idle: the first to finish wins, the other is cancelled. However the schedule ends, no attempt
    outlives it.
    """

    def __init__(
        self,
        chunks: Sequence[Chunk],
        workers: int | Sequence[int],
        execute: Execute[T],
        done: Callable[[Attempt, T], None],
        emit: EventSink,
        *,
        retry: RetryPolicy | None = None,
        liveness: LivenessPolicy | None = None,
        clock: Clock | None = None,
        luck: random.Random | None = None,
    ) -> None:
        self._left = len(chunks)
        self._ready = deque(_State(chunk) for chunk in chunks)
        self._waiting: list[tuple[float, int, _State]] = []
        self._pool_of = (0,) * workers if isinstance(workers, int) else tuple(workers)
        members: list[list[int]] = [[] for _ in range(max(self._pool_of, default=-1) + 1)]
        for worker, number in enumerate(self._pool_of):
            members[number].append(worker)
        self._pools = [WorkerPool(workers) for workers in members]
        self._execute = execute
        self._done = done
        self._emit = emit
        self._retry = retry or RetryPolicy()
        liveness = liveness or LivenessPolicy()
        self._liveness = Liveness(liveness)
        self._poll_interval = liveness.poll_interval
        self._clock = clock or SystemClock()
        self._luck = luck or random.Random()
        self._running: dict[int, list[_Run[T]]] = {}
        self._ended: deque[_Run[T]] = deque()
        self._news = asyncio.Event()
        self.attempts = 0
        """Attempts that were started."""

    async def run(self) -> None:
        """Until every chunk is done.

        Raises:
            ChunkFailed: one has failed as often as it may.
            Throttled: the last pool has throttled everything for as long as it may.
            HeliosError: no further attempt can mend it.
        """
        try:
            while self._left:
                self._fill()
                await self._wait()
                while self._ended:
                    self._settle(self._ended.popleft())
                self._check_liveness()
        finally:
            runs = [run for runs in self._running.values() for run in runs]
            for run in runs:
                run.stop()
            await end_of([run.task for run in runs])

    def _fill(self) -> None:
        now = self._clock.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            self._ready.append(heapq.heappop(self._waiting)[2])
        while found := self._next():
            self._start(*found)

    def _next(self) -> tuple[_State, int] | None:
        """The next chunk, and the worker for it: where there is a choice, not one that it failed at."""
        with_room = [(number, pool) for number, pool in enumerate(self._pools) if pool.has_room]
        if not with_room:
            return None
        for by_another in (True, False):
            for position, state in enumerate(self._ready):
                for number, pool in with_room:
                    if self._is_barred(state, number):
                        continue
                    worker = pool.take(but=state.avoided if by_another else None)
                    if worker is not None:
                        del self._ready[position]
                        return state, worker
        return None

    def _is_barred(self, state: _State, number: int) -> bool:
        """Whether a chunk failed in that pool, and there is another for it."""
        if state.avoided is None or self._pool_of[state.avoided] != number:
            return False
        return any(not pool.closed for other, pool in enumerate(self._pools) if other != number)

    def _start(self, state: _State, worker: int) -> None:
        now = self._clock.monotonic()
        state.attempts += 1
        self.attempts += 1
        chunk = state.chunk
        attempt = Attempt(chunk, state.attempts, self.attempts, worker, now, now)
        self._emit(
            ChunkStarted(chunk=chunk.index, attempt=attempt.number, worker=worker, start=chunk.start, stop=chunk.stop)
        )
        work = self._execute(chunk, attempt.number, worker, partial(self._heartbeat, attempt))
        self._pool(attempt).started(attempt)
        run = _Run(state, attempt, asyncio.ensure_future(work))
        self._running.setdefault(chunk.index, []).append(run)
        run.task.add_done_callback(lambda _: self._end(run))

    def _pool(self, attempt: Attempt) -> WorkerPool:
        return self._pools[self._pool_of[attempt.worker]]

    def _heartbeat(self, attempt: Attempt, frames: int) -> None:
        self._liveness.heartbeat(attempt, self._clock.monotonic())
        self._pool(attempt).progressed()
        if frames > attempt.frames and not attempt.unwanted:
            attempt.frames = frames
            self._emit(ChunkProgressed(chunk=attempt.chunk.index, worker=attempt.worker, frames=frames))

    def _end(self, run: _Run[T]) -> None:
        self._ended.append(run)
        self._news.set()

    async def _wait(self) -> None:
        """Until an attempt has ended, or there may be something to do."""
        delays = [self._poll_interval] if self._running else []
        if self._waiting:
            delays.append(max(0.0, self._waiting[0][0] - self._clock.monotonic()))
        news = asyncio.ensure_future(self._news.wait())
        pause = asyncio.ensure_future(self._clock.sleep(min(delays, default=self._poll_interval)))
        try:
            await asyncio.wait([news, pause], return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
            pause.cancel()
        self._news.clear()

    def _settle(self, run: _Run[T]) -> None:
        attempt = run.attempt
        others = self._running[attempt.chunk.index]
        others.remove(run)
        if not others:
            del self._running[attempt.chunk.index]
        pool = self._pool(attempt)
        pool.release(attempt.worker)
        if attempt.unwanted:
            return
        try:
            result = run.outcome()
        except Throttled as failure:
            self._throttled(run.state, attempt, failure, others)
        except HeliosError as failure:
            pool.progressed()
            if failure.retryable and others:
                self._report(attempt, failure, retried=False)
                self._put_off_twin(run.state)
            elif isinstance(failure, _OF_POOLS) and self._has_other(pool):
                self._close(pool, failure)
                self._report(attempt, failure, retried=not others)
                if not others:
                    self._ready.append(run.state)
            else:
                self._failed(run.state, attempt, failure)
        else:
            pool.progressed()
            pool.succeeded()
            self._left -= 1
            self._liveness.finished(attempt, self._clock.monotonic())
            for other in others:
                other.stop()
            self._done(attempt, result)

    def _throttled(self, state: _State, attempt: Attempt, failure: Throttled, others: list[_Run[T]]) -> None:
        now, pool = self._clock.monotonic(), self._pool(attempt)
        pool.throttled(attempt, now)
        seconds, times = pool.throttled_for(now)
        finished = Throttled(
            f"{failure}. Nothing was started there in {seconds:.0f} s, and {times} attempts were throttled: raise the "
            "limit there, or use fewer workers (--workers)"
        )
        is_over = seconds > self._retry.throttle_timeout and not pool.closed
        if is_over and self._has_other(pool):
            self._close(pool, finished)
        elif is_over and not others:
            self._report(attempt, failure, retried=False)
            raise finished from failure
        self._report(attempt, failure, retried=not others)
        if others:
            self._put_off_twin(state)
        else:
            state.throttled += 1
            self._put_off(state, state.throttled)

    def _failed(self, state: _State, attempt: Attempt, failure: HeliosError) -> None:
        state.failures += 1
        state.causes.append(_describe(attempt, failure))
        state.avoided = attempt.worker
        retried = failure.retryable and state.failures < self._retry.maximum_attempts
        self._report(attempt, failure, retried=retried)
        if not failure.retryable:
            raise failure
        if not retried:
            message = f"{state.chunk} could not be made in {state.failures} attempts. The last one: {state.causes[-1]}"
            raise ChunkFailed(message, chunk=state.chunk.index, causes=state.causes) from failure
        self._put_off(state, state.failures)

    def _put_off(self, state: _State, failures: int) -> None:
        due = self._clock.monotonic() + self._retry.interval(failures, self._luck)
        heapq.heappush(self._waiting, (due, state.chunk.index, state))

    def _put_off_twin(self, state: _State) -> None:
        """One of two attempts at a chunk has failed: the other goes on, alone for a while."""
        state.lost_twins += 1
        state.no_twin_before = self._clock.monotonic() + self._retry.interval(state.lost_twins, self._luck)

    def _has_other(self, pool: WorkerPool) -> bool:
        return any(other is not pool and not other.closed for other in self._pools)

    def _close(self, pool: WorkerPool, failure: HeliosError) -> None:
        if not pool.closed:
            pool.closed = True
            self._emit(WarningIssued(message=f"a place to run is left out: {failure}"))

    def _report(self, attempt: Attempt, failure: HeliosError, *, retried: bool) -> None:
        self._emit(
            ChunkAttemptFailed(
                chunk=attempt.chunk.index,
                attempt=attempt.number,
                worker=attempt.worker,
                error=_describe(attempt, failure),
                code=failure.code,
                retried=retried,
            )
        )

    def _check_liveness(self) -> None:
        """Stops dead attempts, and starts a late one a second time where a worker is idle."""
        now = self._clock.monotonic()
        for runs in self._running.values():
            for run in runs:
                attempt = run.attempt
                if not attempt.unwanted and attempt.silence is None and self._liveness.is_dead(attempt, now):
                    attempt.silence = now - attempt.last_heartbeat
                    run.task.cancel()
        idle = next((pool for pool in self._pools if pool.has_room), None)
        if idle and not self._ready and not self._waiting:
            repro = [
                runs[0]
                for runs in self._running.values()
                if len(runs) == 1 and not runs[0].attempt.unwanted and runs[0].state.no_twin_before <= now
            ]
            late = self._liveness.straggler([run.attempt for run in repro], now)
            if late and (worker := idle.take()) is not None:
                self._start(next(run.state for run in repro if run.attempt is late), worker)


@dataclass(slots=True, eq=False)
class _Run(Generic[T]):
    """An attempt that is running."""

    state: _State
    attempt: Attempt
    task: asyncio.Future[T]

    def stop(self) -> None:
        """Its result no longer counts."""
        self.attempt.unwanted = True
        self.task.cancel()

    def outcome(self) -> T:
        """Its result, once it has ended."""
        if self.task.cancelled() and self.attempt.silence is not None:
            raise Stalled(f"it showed no sign of life for {self.attempt.silence:.1f} s, and was stopped")
        return self.task.result()


def _describe(attempt: Attempt, failure: HeliosError) -> str:
    """The error, and how far the attempt had come."""
    first, line, rest = str(failure).partition("\n")
    reached = f" (it had come to frame {attempt.chunk.start + attempt.frames})" if attempt.frames else ""
    return f"{first}{reached}{line}{rest}"
