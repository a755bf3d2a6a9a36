"""Each change of an attempt's state is reported once, in order, and logged without secrets."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable

import pytest

from helios.errors import BrowserError, PageError
from helios.orchestrator import Chunk, split
from helios.orchestrator.liveness import LivenessPolicy
from helios.orchestrator.schedule import Schedule
from helios.orchestrator.transitions import Transition
from support.virtual_clock import VirtualClock

OnFrames = Callable[[int], None]
URL = "https://bucket.example/segment.mp4"


def run(execute: Callable[[Chunk, int, int, OnFrames], Awaitable[None]], chunks: int = 1) -> list[Transition]:
    """The transitions of a schedule of chunks of 10 frames, on two workers."""
    clock, transitions = VirtualClock(), list[Transition]()
    schedule = Schedule(
        split(range(10 * chunks), 10),
        {"aws": 2},
        execute,
        lambda attempt, result: None,
        lambda event: None,
        job="1f2e",
        liveness=LivenessPolicy(minimum_heartbeat_timeout=1000),
        clock=clock,
        rng=random.Random(0),
        on_transition=transitions.append,
    )
    with contextlib.suppress(PageError):
        clock.run(schedule.run())
    return transitions


def states(transitions: list[Transition], attempt: int, chunk: int = 0) -> list[tuple[str, str]]:
    return [(each.old_state, each.new_state) for each in transitions if (each.chunk, each.attempt) == (chunk, attempt)]


def test_an_attempt_that_fails_and_its_retry() -> None:
    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        await asyncio.sleep(1)
        on_frames(5)
        on_frames(5)
        if number == 1:
            raise BrowserError("the browser crashed\nwith a trace")

    transitions = run(execute)
    steps = [("submitted", "queued"), ("queued", "started"), ("started", "running")]
    assert states(transitions, 1) == [*steps, ("running", "failed")]
    assert states(transitions, 2) == [*steps, ("running", "finished")]
    (failed,) = [each for each in transitions if each.new_state == "failed"]
    assert (failed.job, failed.host, failed.worker, failed.reason) == ("1f2e", "aws", 0, "the browser crashed")
    assert [each.host for each in transitions if each.new_state == "queued"] == [None, None]


def test_the_loser_of_two_attempts_is_cancelled() -> None:
    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        for frame in range(10):
            await asyncio.sleep(60 if (chunk.index, number) == (4, 1) else 0.5)
            on_frames(frame + 1)

    transitions = run(execute, chunks=5)
    assert states(transitions, 1, chunk=4)[-1][1] == "cancelled"
    assert states(transitions, 2, chunk=4)[-1] == ("running", "finished")
    assert [each.reason for each in transitions if (each.chunk, each.attempt, each.new_state) == (4, 2, "started")] == [
        "attempt 1 is a straggler"
    ]


def test_an_error_that_stops_the_schedule_cancels_the_other_attempts() -> None:
    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        await asyncio.sleep(1 + chunk.index)
        raise PageError("its script throws")

    transitions = run(execute, chunks=2)
    assert states(transitions, 1, chunk=0)[-1] == ("started", "failed")
    assert states(transitions, 1, chunk=1)[-1] == ("started", "cancelled")


def test_transitions_are_logged_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    async def execute(chunk: Chunk, number: int, worker: int, on_frames: OnFrames) -> None:
        if number == 1:
            raise BrowserError(f"{URL}?X-Signature=abc123 was refused")

    clock = VirtualClock()
    with caplog.at_level(logging.DEBUG, "helios.orchestrator"):
        clock.run(
            Schedule(
                split(range(10), 10), {"aws": 1}, execute, lambda attempt, result: None, lambda event: None,
                job="1f2e", clock=clock,
            ).run()
        )  # fmt: skip
    lines = [vars(record) for record in caplog.records if record.name == "helios.orchestrator.transitions"]
    fields = [(line["attempt"], line["old_state"], line["new_state"], line["levelname"]) for line in lines]
    assert fields == [
        (1, "submitted", "queued", "DEBUG"),
        (1, "queued", "started", "INFO"),
        (1, "started", "failed", "INFO"),
        (2, "submitted", "queued", "DEBUG"),
        (2, "queued", "started", "INFO"),
        (2, "started", "finished", "INFO"),
    ]
    assert {(line["job"], line["chunk"]) for line in lines} == {("1f2e", 0)}
    assert URL in lines[2]["reason"]
    assert "abc123" not in str(lines)
