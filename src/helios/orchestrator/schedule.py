"""Chunks onto workers: which one is next, what is tried again and when, and what is begun a second time."""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Generic, Protocol, TypeVar

from helios.errors import AccessDenied, ChunkFailed, HeliosError, MissingTool, Stalled, Throttled, WorkerRefused
from helios.orchestrator.chunks import Chunk
from helios.orchestrator.events import ChunkAttemptFailed, ChunkProgress, ChunkStarted, EventSink, Warned
from helios.orchestrator.waiting import end_of

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_OF_PLACES = (AccessDenied, MissingTool, WorkerRefused)
"""Errors that another place to run need not have."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient a schedule is.

    ``attempts``: how often a chunk may fail in all, less one. ``pause``, ``longest_pause``: a chunk that has failed k
    times waits a random part of ``pause`` * 2^(k-1), at most ``longest_pause`` (seconds). ``silence``: how much longer
    than the longest silence of this job's living attempts one may be silent before it is taken for dead.
    ``least_silence``: but at least so long (seconds). ``first_silence``: what may pass before anything is known of the
    job (seconds). ``slowness``: a chunk that will take so many times longer than others is begun a second time where
    workers are idle.
    """

    attempts: int = 4
    pause: float = 0.5
    longest_pause: float = 30.0
    silence: float = 10.0
    least_silence: float = 5.0
    first_silence: float = 300.0
    slowness: float = 3.0
    look: float = 0.25


@dataclass(slots=True, eq=False)
class Attempt:
    """One try at a chunk. ``number`` counts those at its chunk from 1; times are of ``time.monotonic``."""

    chunk: Chunk
    number: int
    worker: int
    begun: float
    heard: float
    first: float | None = None
    frames: int = 0
    stalled: float | None = None
    over: bool = False


class Execute(Protocol[T_co]):
    """Makes one attempt at a chunk; calls ``heard`` with the frames that are done, or with the same again."""

    def __call__(self, chunk: Chunk, number: int, worker: int, heard: Callable[[int], None]) -> Awaitable[T_co]: ...


@dataclass(slots=True)
class _State:
    chunk: Chunk
    attempts: int = 0
    failures: int = 0
    throttled: int = 0
    avoided: int | None = None
    """The worker that has failed at it last."""
    causes: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class _Place:
    """Workers that are at one place: those that are ``free``, of so many, of whom ``limit`` may work at once.

    ``ceiling`` is how many did when it was ``lowered``; ``most``, how many at most did since then.
    """

    workers: int
    free: list[int]
    limit: float
    ceiling: float
    lowered: float = 0.0
    most: int = 0
    closed: bool = False

    @property
    def under_way(self) -> int:
        return self.workers - len(self.free)

    @property
    def has_room(self) -> bool:
        return bool(self.free) and not self.closed and self.under_way < int(self.limit)

    def raise_limit(self) -> None:
        """By one more with each success up to where it was too much; from there, with each round of successes.

        Source: slow start and congestion avoidance of TCP, https://www.rfc-editor.org/rfc/rfc5681#section-3.1
        """
        step = 1 if self.limit < self.ceiling - 1 else 1 / self.limit
        self.limit = min(self.workers, self.limit + step)


class Schedule(Generic[T]):
    """Runs ``execute`` for every chunk on ``workers``, until each has come to an end once. For each of them, the number
    of the place where it is; as a number, so many at one place.

    An attempt whose error is ``retryable`` is made again after a while, at another place or else by another worker
    where one is free. An error that is of a place has no more chunks begun there, as long as there is another; any
    other error ends the schedule. ``Throttled`` costs no attempt: fewer are then made at once there, and more again
    with those that succeed. Where a worker is idle, a chunk that is far behind is begun a second time; the first to
    end wins, the other is cancelled. However the schedule ends, no attempt outlives it.
    """

    def __init__(
        self,
        chunks: Sequence[Chunk],
        workers: int | Sequence[int],
        execute: Execute[T],
        done: Callable[[Attempt, T], None],
        emit: EventSink,
        policy: Policy | None = None,
    ) -> None:
        self._left = len(chunks)
        self._ready = deque(_State(chunk) for chunk in chunks)
        self._waiting: list[tuple[float, int, _State]] = []
        self._place_of = (0,) * workers if isinstance(workers, int) else tuple(workers)
        at: list[list[int]] = [[] for _ in range(max(self._place_of, default=-1) + 1)]
        for worker, number in enumerate(self._place_of):
            at[number].append(worker)
        self._places = [_Place(len(free), free, float(len(free)), float(len(free))) for free in at]
        self._execute = execute
        self._done = done
        self._emit = emit
        self._policy = policy or Policy()
        self._running: dict[int, list[_Run[T]]] = {}
        self._ended: asyncio.Queue[_Run[T]] = asyncio.Queue()
        self._paces: deque[tuple[float, float]] = deque(
            maxlen=100
        )  # of chunks that were made: seconds to begin, and a frame
        self._starts = _Longest()
        self._gaps = _Longest()
        self.attempts = 0
        """Attempts that were begun."""

    async def run(self) -> None:
        """Until every chunk is done.

        Raises:
            ChunkFailed: one could not be made in as many attempts as it may have.
            HeliosError: what no further attempt can mend.
        """
        try:
            while self._left:
                self._fill()
                await self._hear(self._until())
                self._look()
        finally:
            runs = [run for runs in self._running.values() for run in runs]
            for run in runs:
                run.stop()
            await end_of([run.task for run in runs])

    def _fill(self) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            self._ready.append(heapq.heappop(self._waiting)[2])
        while found := self._next():
            self._begin(*found)

    def _next(self) -> tuple[_State, int] | None:
        """A chunk that is to be begun, and the worker for it: where there is a choice, not one that it failed at."""
        with_room = [number for number, place in enumerate(self._places) if place.has_room]
        if not with_room:
            return None
        for by_another in (True, False):
            for position, state in enumerate(self._ready):
                for number in with_room:
                    free = self._places[number].free
                    fit = [worker for worker in free[:2] if not (by_another and worker == state.avoided)]
                    if fit and not self._is_barred(state, number):
                        free.remove(min(fit))
                        heapq.heapify(free)
                        del self._ready[position]
                        return state, min(fit)
        return None

    def _is_barred(self, state: _State, number: int) -> bool:
        """Whether a chunk failed at that place, and there is another for it."""
        if state.avoided is None or self._place_of[state.avoided] != number:
            return False
        return any(not place.closed for other, place in enumerate(self._places) if other != number)

    def _begin(self, state: _State, worker: int) -> None:
        now = time.monotonic()
        state.attempts += 1
        self.attempts += 1
        attempt = Attempt(state.chunk, state.attempts, worker, now, now)
        chunk = state.chunk
        self._emit(
            ChunkStarted(chunk=chunk.index, attempt=attempt.number, worker=worker, start=chunk.start, stop=chunk.stop)
        )
        work = self._execute(chunk, attempt.number, worker, partial(self._heard, attempt))
        place = self._places[self._place_of[worker]]
        place.most = max(place.most, place.under_way)
        run = _Run(state, attempt, asyncio.ensure_future(work))
        self._running.setdefault(chunk.index, []).append(run)
        run.task.add_done_callback(lambda _: self._ended.put_nowait(run))

    def _heard(self, attempt: Attempt, frames: int) -> None:
        now = time.monotonic()
        if attempt.first is None:
            attempt.first = now
            self._starts.add(now - attempt.heard)
        else:
            self._gaps.add(now - attempt.heard)
        attempt.heard = now
        if frames > attempt.frames and not attempt.over:
            attempt.frames = frames
            self._emit(ChunkProgress(chunk=attempt.chunk.index, worker=attempt.worker, frames=frames))

    def _until(self) -> float | None:
        """How long (s) nothing needs to be done, if nothing happens."""
        due = self._waiting[0][0] - time.monotonic() if self._waiting else None
        if self._running:
            return self._policy.look if due is None else max(0.0, min(due, self._policy.look))
        return None if due is None else max(0.0, due)

    async def _hear(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                self._settle(await self._ended.get())
        except TimeoutError:
            return
        while not self._ended.empty():
            self._settle(self._ended.get_nowait())

    def _settle(self, run: _Run[T]) -> None:
        attempt = run.attempt
        others = self._running[attempt.chunk.index]
        others.remove(run)
        if not others:
            del self._running[attempt.chunk.index]
        place = self._places[self._place_of[attempt.worker]]
        heapq.heappush(place.free, attempt.worker)
        if attempt.over:
            return
        try:
            result = run.outcome()
        except HeliosError as failure:
            if failure.retryable and others:
                self._tell(attempt, failure, retried=False)  # the other attempt at this chunk goes on
            elif isinstance(failure, _OF_PLACES) and any(
                other is not place and not other.closed for other in self._places
            ):
                self._close(place, failure)
                self._tell(attempt, failure, retried=not others)
                if not others:
                    self._ready.append(run.state)
            else:
                self._failed(run.state, attempt, failure)
        else:
            self._succeeded(attempt, others)
            self._done(attempt, result)

    def _succeeded(self, attempt: Attempt, others: list[_Run[T]]) -> None:
        now = time.monotonic()
        self._left -= 1
        place = self._places[self._place_of[attempt.worker]]
        place.raise_limit()
        if attempt.first is not None:
            self._gaps.add(now - attempt.heard)
        else:
            self._starts.add(now - attempt.begun)
        first = attempt.first or attempt.begun
        self._paces.append((first - attempt.begun, (now - first) / attempt.chunk.frames))
        for other in others:
            other.stop()

    def _failed(self, state: _State, attempt: Attempt, failure: HeliosError) -> None:
        throttled = isinstance(failure, Throttled)
        if throttled:
            state.throttled += 1
            self._lower(attempt)
        else:
            state.failures += 1
            state.causes.append(_said(attempt, failure))
            state.avoided = attempt.worker
        retried = failure.retryable and (throttled or state.failures < self._policy.attempts)
        self._tell(attempt, failure, retried=retried)
        if not failure.retryable:
            raise failure
        if not retried:
            said = f"{state.chunk} could not be made in {state.failures} attempts. The last one: {state.causes[-1]}"
            raise ChunkFailed(said, chunk=state.chunk.index, causes=state.causes) from failure
        pause = pause_before(state.throttled if throttled else state.failures, self._policy)
        heapq.heappush(self._waiting, (time.monotonic() + pause, state.chunk.index, state))

    def _lower(self, attempt: Attempt) -> None:
        """Halves what may be under way there, but once for all attempts that were begun before it was known."""
        place = self._places[self._place_of[attempt.worker]]
        if attempt.begun > place.lowered:
            place.lowered = time.monotonic()
            place.ceiling, place.most = min(place.limit, place.most), 0
            place.limit = max(1.0, place.ceiling / 2)

    def _close(self, place: _Place, failure: HeliosError) -> None:
        if not place.closed:
            place.closed = True
            self._emit(Warned(message=f"a place to run is left out: {failure}"))

    def _tell(self, attempt: Attempt, failure: HeliosError, *, retried: bool) -> None:
        self._emit(
            ChunkAttemptFailed(
                chunk=attempt.chunk.index,
                attempt=attempt.number,
                worker=attempt.worker,
                error=_said(attempt, failure),
                code=failure.code,
                retried=retried,
            )
        )

    def _look(self) -> None:
        """Stops what has stalled, and has what is far behind begun a second time."""
        now = time.monotonic()
        for runs in self._running.values():
            for run in runs:
                silent = now - run.attempt.heard
                if not run.attempt.over and run.attempt.stalled is None and silent > self._patience(run.attempt):
                    run.attempt.stalled = silent
                    run.task.cancel()
        idle = next((place for place in self._places if place.has_room), None)
        if idle and not self._ready and not self._waiting and self._paces:
            alone = [runs[0] for runs in self._running.values() if len(runs) == 1 and not runs[0].attempt.over]
            last = max(alone, key=lambda run: _remaining(run.attempt, now), default=None)
            if last and _remaining(last.attempt, now) > self._policy.slowness * self._usual(last.state.chunk):
                self._begin(last.state, heapq.heappop(idle.free))

    def _patience(self, attempt: Attempt) -> float:
        longest = (self._starts if attempt.first is None else self._gaps).longest
        if longest is None:
            return self._policy.first_silence
        return max(self._policy.least_silence, self._policy.silence * longest)

    def _usual(self, chunk: Chunk) -> float:
        """How long (s) a chunk takes, as far as those that were made tell."""
        begin, frame = (median(times) for times in zip(*self._paces, strict=True))
        return begin + frame * chunk.frames


@dataclass(slots=True, eq=False)
class _Run(Generic[T]):
    """An attempt under way."""

    state: _State
    attempt: Attempt
    task: asyncio.Future[T]

    def stop(self) -> None:
        """Nobody wants its result any more."""
        self.attempt.over = True
        self.task.cancel()

    def outcome(self) -> T:
        """What it gave, once it has ended."""
        if self.task.cancelled() and self.attempt.stalled is not None:
            raise Stalled(f"it showed no sign of life for {self.attempt.stalled:.1f} s, and was stopped")
        return self.task.result()


def _said(attempt: Attempt, failure: HeliosError) -> str:
    """What went wrong, and how far the attempt had come, as far as it had told."""
    first, line, rest = str(failure).partition("\n")
    reached = f" (it had come to frame {attempt.chunk.start + attempt.frames})" if attempt.frames else ""
    return f"{first}{reached}{line}{rest}"


def _remaining(attempt: Attempt, now: float) -> float:
    """How long (s) an attempt will still take: at its own pace, or, without one, as long again as it has taken."""
    if attempt.first is None or not attempt.frames:
        return now - attempt.begun
    return (now - attempt.first) / attempt.frames * (attempt.chunk.frames - attempt.frames)


class _Longest:
    """The longest of some spans of time."""

    def __init__(self) -> None:
        self.longest: float | None = None

    def add(self, seconds: float) -> None:
        self.longest = max(self.longest or 0.0, seconds)


def pause_before(failures: int, policy: Policy) -> float:
    """Seconds to wait before the next attempt: full jitter, so that many that failed together don't come back so.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return random.uniform(0, min(policy.longest_pause, policy.pause * 2.0 ** min(failures - 1, 30)))
