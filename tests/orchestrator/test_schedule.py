"""A schedule renders each chunk once, also if attempts fail, stall or fall behind."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios.errors import AccessDenied, BrowserError, ChunkFailed, HeliosError, PageError, Throttled, WorkerRefused
from helios.orchestrator import Chunk, ChunkAttemptFailed, ChunkStarted, RenderEvent, WarningIssued, split
from helios.orchestrator.liveness import LivenessPolicy
from helios.orchestrator.retry import RetryPolicy
from helios.orchestrator.schedule import Schedule
from support.virtual_clock import VirtualClock

OnFrames = Callable[[int], None]


class Scheduled:
    """The events and results of a schedule, by a virtual clock."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.done: list[int] = []
        self.events: list[RenderEvent] = []
        self.running = 0
        self.most = 0

    def started(self, chunk: int) -> list[ChunkStarted]:
        return [event for event in self.events if isinstance(event, ChunkStarted) and event.chunk == chunk]

    @property
    def failed(self) -> list[ChunkAttemptFailed]:
        return [event for event in self.events if isinstance(event, ChunkAttemptFailed)]


def schedule(
    execute: Callable[[Chunk, int, int, OnFrames], Awaitable[Any]],
    *,
    chunks: int = 6,
    workers: int | dict[str, int] = 2,
    retry: RetryPolicy | None = None,
    liveness: LivenessPolicy | None = None,
    into: Scheduled | None = None,
    seed: int = 0,
) -> Scheduled:
    """Runs a schedule of chunks of 10 frames to its end, in no time."""
    seen = into or Scheduled()

    async def watched(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> Any:
        seen.running += 1
        seen.most = max(seen.most, seen.running)
        try:
            return await execute(chunk, number, worker, on_frames)
        finally:
            seen.running -= 1

    async def run() -> None:
        parts = split(range(10 * chunks), 10) if chunks else ()
        await Schedule(
            parts,
            workers if isinstance(workers, dict) else {"local": workers},
            watched,
            lambda attempt, result: seen.done.append(attempt.chunk.index),
            seen.events.append,
            retry=retry,
            liveness=liveness,
            clock=seen.clock,
            rng=random.Random(seed),
        ).run()

    try:
        seen.clock.run(run())
    finally:
        assert seen.running == 0, "no attempt outlives its schedule"
    return seen


async def nothing(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
    await asyncio.sleep(0)


def test_each_chunk_is_made_once_by_as_many_workers_as_there_are() -> None:
    seen = schedule(nothing, chunks=50, workers=4)
    assert sorted(seen.done) == list(range(50))
    assert seen.most == 4
    assert {event.worker for event in seen.events if isinstance(event, ChunkStarted)} == {0, 1, 2, 3}


def test_no_chunks_are_no_work() -> None:
    assert schedule(nothing, chunks=0).done == []


def test_another_worker_retries_a_failed_chunk() -> None:
    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        await asyncio.sleep(0.002)
        if chunk.index == 3 and number == 1:
            raise BrowserError("died")

    seen = schedule(execute, chunks=12)
    assert sorted(seen.done) == list(range(12))
    first, second = seen.started(3)
    assert first.worker != second.worker
    (failed,) = seen.failed
    assert (failed.chunk, failed.attempt, failed.retried, failed.code) == (3, 1, True, "browser")


def test_a_single_worker_retries_its_own_failed_chunk() -> None:
    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        if number < 3:
            raise BrowserError("died")

    seen = schedule(execute, workers=1)
    assert sorted(seen.done) == list(range(6))
    assert [event.attempt for event in seen.started(2)] == [1, 2, 3]


def test_a_chunk_that_fails_in_all_attempts_stops_the_schedule() -> None:
    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        if chunk.index == 1:
            raise BrowserError(f"died {number}")
        await asyncio.sleep(30 if chunk.index == 2 else 0)

    seen = Scheduled()
    with pytest.raises(ChunkFailed, match=r"chunk 1 \(frames 10:20\) .* 4 attempts.* died 4") as caught:
        schedule(execute, into=seen)
    assert caught.value.causes == tuple(f"died {number}" for number in range(1, 5))
    assert [event.retried for event in seen.failed] == [True, True, True, False]


def test_an_error_that_is_not_retryable_is_not_retried() -> None:
    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        if chunk.index == 1:
            raise PageError("its script throws")
        await asyncio.sleep(30)

    seen = Scheduled()
    with pytest.raises(PageError, match="throws"):
        schedule(execute, into=seen)
    assert len(seen.started(1)) == 1


def test_a_bug_is_not_hidden() -> None:
    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        schedule(execute)


def test_throttling_lowers_the_limit_costs_no_attempt_and_is_recovered_from() -> None:
    most_of: list[int] = []
    taken = 0

    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        nonlocal taken
        tight = len(most_of) < 60
        if tight and taken >= 2:
            raise Throttled("too much")
        taken += 1
        most_of.append(taken)
        try:
            await asyncio.sleep(0.002)
        finally:
            taken -= 1

    seen = schedule(execute, chunks=200, workers=8, retry=RetryPolicy(0.001, 0.004, maximum_attempts=2))
    assert sorted(seen.done) == list(range(200))
    throttled = [event for event in seen.failed if event.code == "throttled"]
    assert len(throttled) >= 6, "eight were started where two are taken"
    assert len(throttled) < 120, "it learns"
    assert max(most_of[:60]) <= 2
    assert max(most_of) == 8, "it goes up again"


def test_an_attempt_without_heartbeats_for_much_longer_than_others_is_dead() -> None:
    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        for frame in range(10):
            on_frames(frame + 1)
            if (chunk.index, number, frame) == (2, 1, 5):
                await asyncio.sleep(60)
            await asyncio.sleep(0.002)

    liveness = LivenessPolicy(5, minimum_heartbeat_timeout=1.0, straggler_factor=1e9)
    seen = schedule(execute, liveness=liveness, chunks=8)
    assert sorted(seen.done) == list(range(8))
    (failed,) = seen.failed
    assert (failed.chunk, failed.code) == (2, "stalled")
    assert "no heartbeat for 1." in failed.error


def test_attempts_of_a_slow_job_are_not_dead() -> None:
    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        for frame in range(3):
            on_frames(frame + 1)
            await asyncio.sleep(0.1)

    liveness = LivenessPolicy(5, minimum_heartbeat_timeout=0.01, poll_interval=0.01)
    seen = schedule(execute, liveness=liveness, chunks=4)
    assert seen.failed == []


def test_an_attempt_without_any_heartbeat_gets_the_start_timeout() -> None:
    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        await asyncio.sleep(10_000 if number == 1 else 0)

    seen = schedule(execute, liveness=LivenessPolicy(start_timeout=300), chunks=2)
    assert 300 < seen.clock.monotonic() < 302
    assert {event.code for event in seen.failed} == {"stalled"}


def test_a_straggler_is_started_a_second_time_and_the_first_to_end_wins() -> None:
    cancelled: list[tuple[int, int]] = []

    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> int:
        try:
            for frame in range(10):
                await asyncio.sleep(60 if (chunk.index, number) == (4, 1) else 0.5)
                on_frames(frame + 1)
        except asyncio.CancelledError:
            cancelled.append((chunk.index, number))
            raise
        return number

    seen = schedule(execute, chunks=8, liveness=LivenessPolicy(minimum_heartbeat_timeout=1000))
    assert 20 < seen.clock.monotonic() < 40, "it is started again as soon as it is three times as late"
    assert sorted(seen.done) == list(range(8))
    assert len(seen.started(4)) == 2
    assert cancelled == [(4, 1)]
    assert seen.failed == [], "losing is no failure"


def test_an_attempt_as_slow_as_others_is_started_once() -> None:
    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        for frame in range(10):
            await asyncio.sleep(0.005)
            on_frames(frame + 1)

    seen = schedule(execute, chunks=9, workers=4)
    assert all(len(seen.started(chunk)) == 1 for chunk in range(9))


@pytest.mark.parametrize("dies", [1, 2])
def test_of_two_attempts_at_a_chunk_one_may_die(dies: int) -> None:
    second = asyncio.Event()

    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        if chunk.index != 4:
            await asyncio.sleep(0.01)
            return
        if number == 2:
            second.set()
        await second.wait()
        if number == dies:
            raise BrowserError("died")
        await asyncio.sleep(0.05)

    seen = schedule(execute, chunks=6)
    assert sorted(seen.done) == list(range(6))
    assert [(event.chunk, event.attempt, event.retried) for event in seen.failed] == [(4, dies, False)]


def test_cancelling_leaves_nothing_behind() -> None:
    finished: list[int] = []

    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.02)
            finished.append(chunk.index)

    async def run() -> None:
        plan = Schedule(
            split(range(30), 10), {"local": 2}, execute, lambda attempt, result: None, lambda event: None, clock=clock
        )
        work = asyncio.create_task(plan.run())
        await asyncio.sleep(0.05)
        work.cancel()
        await asyncio.wait([work])
        assert work.cancelled()

    clock = VirtualClock()
    clock.run(run())
    assert sorted(finished) == [0, 1]


OUTCOMES: list[tuple[type[HeliosError] | None, int]] = [(None, 6), (BrowserError, 2), (Throttled, 2)]


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), chunks=st.integers(1, 25), workers=st.integers(1, 9))
def test_each_chunk_succeeds_once_with_random_failures(seed: int, chunks: int, workers: int) -> None:
    rng = random.Random(seed)

    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        for frame in range(rng.randrange(3)):
            on_frames(frame)
            await asyncio.sleep(rng.random() / 500)
        (failure,) = rng.choices([kind for kind, _ in OUTCOMES], [weight for _, weight in OUTCOMES])
        if failure:
            raise failure("a random failure")

    retry = RetryPolicy(0.0005, 0.002, maximum_attempts=1000)
    liveness = LivenessPolicy(2, minimum_heartbeat_timeout=0.003, poll_interval=0.002)
    seen = schedule(execute, chunks=chunks, workers=workers, retry=retry, liveness=liveness, seed=seed)
    assert sorted(seen.done) == list(range(chunks))
    assert seen.most <= workers


def test_a_chunk_that_failed_in_one_pool_is_retried_in_another_even_if_it_has_to_wait() -> None:
    """Places: workers 0 and 1, and worker 2. At the first place, everything fails."""

    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        await asyncio.sleep(0.002)
        if worker < 2:
            raise BrowserError("not here")

    seen = schedule(execute, chunks=20, workers={"local": 2, "aws": 1})
    assert sorted(seen.done) == list(range(20))
    failed = [event.chunk for event in seen.failed]
    assert failed
    assert len(failed) == len(set(failed)), "none failed at that place again"


def test_a_pool_that_refuses_all_is_closed_and_costs_no_attempt() -> None:
    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        await asyncio.sleep(0.002)
        if worker == 0:
            raise AccessDenied("no rights")

    seen = schedule(execute, chunks=20, workers={"aws": 1, "local": 2}, retry=RetryPolicy(maximum_attempts=1))
    assert sorted(seen.done) == list(range(20))
    assert [event.code for event in seen.failed] == ["access-denied"]
    assert [event.message for event in seen.events if isinstance(event, WarningIssued)] == [
        "aws is no longer used for this job: no rights"
    ]


def test_the_last_pool_that_refuses_stops_the_schedule() -> None:
    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        await asyncio.sleep(0.002)
        raise WorkerRefused(f"not at place {worker}")

    with pytest.raises(WorkerRefused, match="not at place"):
        schedule(execute, chunks=20, workers={"aws": 1, "local": 1})


def test_throttling_lowers_the_limit_of_its_pool_alone() -> None:
    """Of two places with eight workers each, the first takes four jobs in parallel."""
    running = [0, 0]
    throttled: list[int] = []
    since: list[int] = []  # under way at the second place, after the first that was throttled

    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        place = worker // 8
        running[place] += 1
        try:
            if throttled:
                since.append(running[1])
            await asyncio.sleep(0.002)
            if place == 0 and running[0] > 4:
                throttled.append(chunk.index)
                raise Throttled("too many")
        finally:
            running[place] -= 1

    seen = schedule(execute, chunks=300, workers={"aws": 8, "gcp": 8})
    assert sorted(seen.done) == list(range(300))
    assert 4 <= len(throttled) < 50, "it is tried now and then whether more will do"
    assert max(since) == 8, "the second place works as before"


@settings(deadline=None)
@given(
    seed=st.integers(0, 1000), chunks=st.integers(0, 30), targets=st.lists(st.integers(1, 4), min_size=1, max_size=3)
)
def test_each_chunk_succeeds_once_with_random_failures_of_pools(seed: int, chunks: int, targets: list[int]) -> None:
    """As long as there is a place that works: here the last one does, and has a worker who never refuses."""
    rng = random.Random(seed)

    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        await asyncio.sleep(0)
        kind = rng.random()
        last = worker >= sum(targets[:-1])
        if kind < 0.05 and not last:
            raise WorkerRefused("another version")
        if kind < 0.2:
            raise Throttled("too many")
        if kind < 0.3:
            raise BrowserError("died")

    workers = {f"pool-{number}": count for number, count in enumerate(targets)}
    seen = schedule(execute, chunks=chunks, workers=workers, retry=RetryPolicy(maximum_attempts=100), seed=seed)
    assert sorted(seen.done) == list(range(chunks))


def test_the_same_seed_gives_the_same_schedule() -> None:
    def run() -> list[RenderEvent]:
        rng = random.Random(5)

        async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
            await asyncio.sleep(rng.random())
            if rng.random() < 0.3:
                raise BrowserError("a random failure")

        return schedule(execute, chunks=30, workers=4, retry=RetryPolicy(maximum_attempts=50), seed=3).events

    assert run() == run()


def test_throttling_without_any_progress_ends_the_job_after_its_time() -> None:
    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        await asyncio.sleep(0.1)
        raise Throttled("helios takes no more invocations at once: Rate Exceeded.")

    seen = Scheduled()
    with pytest.raises(
        Throttled, match=r"Rate Exceeded\.. local started no attempt in 9\d\d s, and throttled \d+: raise"
    ):
        schedule(execute, into=seen)
    assert 900 < seen.clock.monotonic() < 931, "at most one interval later"
    assert [event.retried for event in seen.failed].count(False) == 1


def test_a_pool_that_throttles_all_without_any_progress_is_closed_where_there_is_another() -> None:
    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        if worker == 0:
            raise Throttled("no room")
        await asyncio.sleep(100)

    seen = schedule(execute, chunks=40, workers={"aws": 1, "gcp": 1})
    assert sorted(seen.done) == list(range(40))
    (warned,) = [event.message for event in seen.events if isinstance(event, WarningIssued)]
    assert "aws is no longer used for this job: no room. aws started no attempt in 9" in warned


@pytest.mark.parametrize("progress", ["result", "heartbeat", "failure"])
def test_throttling_with_some_progress_may_go_on_for_hours(progress: str) -> None:
    """The place takes one attempt every ten minutes, and throttles all others."""
    taken = [0.0]

    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        if seen.clock.monotonic() < taken[-1] + 600:
            raise Throttled("too many")
        taken.append(seen.clock.monotonic())
        if progress == "heartbeat":
            on_frames(1)
            await asyncio.sleep(1)
        if progress == "failure" and len(taken) % 2:
            raise BrowserError("died")

    seen = Scheduled()
    schedule(execute, chunks=8, into=seen, retry=RetryPolicy(maximum_attempts=30))
    assert sorted(seen.done) == list(range(8))
    assert seen.clock.monotonic() > 3600


def test_an_attempt_that_runs_for_long_is_progress_though_all_others_are_throttled() -> None:
    running = 0

    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        nonlocal running
        if running:
            raise Throttled("one at a time")
        running += 1
        try:
            await asyncio.sleep(3000)
        finally:
            running -= 1

    liveness = LivenessPolicy(start_timeout=1e9, minimum_heartbeat_timeout=1e9, poll_interval=10)
    seen = schedule(execute, chunks=5, workers=4, liveness=liveness)
    assert sorted(seen.done) == list(range(5))


@pytest.mark.parametrize("error", [Throttled, BrowserError])
def test_second_attempts_that_fail_neither_end_the_first_nor_come_in_a_rush(error: type[HeliosError]) -> None:
    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        if number > 1:
            raise error("no second one")
        await asyncio.sleep(5000 if chunk.index == 3 else 1)

    liveness = LivenessPolicy(start_timeout=1e9, minimum_heartbeat_timeout=1e9, poll_interval=10)
    seen = schedule(execute, chunks=4, workers={"aws": 1, "gcp": 1}, liveness=liveness)
    assert sorted(seen.done) == [0, 1, 2, 3]
    assert 20 < len(seen.started(3)) < 600, "they wait for up to 30 s in between"
