"""A job goes from state to state as it should, whatever is asked of it."""

from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios.errors import UsageError
from helios.jobs.states import FINAL_STATES, JobAction, JobState, next_state

STATES: tuple[JobState, ...] = get_args(JobState)
STEPS: tuple[JobAction, ...] = get_args(JobAction)
LEGAL: dict[tuple[JobState, JobAction], JobState] = {
    ("queued", "start"): "running",
    ("queued", "pause"): "paused",
    ("queued", "cancel"): "cancelled",
    ("running", "start"): "running",
    ("running", "pause"): "paused",
    ("running", "cancel"): "cancelled",
    ("running", "finish"): "done",
    ("running", "fail"): "failed",
    ("paused", "start"): "running",
    ("paused", "pause"): "paused",
    ("paused", "cancel"): "cancelled",
    ("failed", "start"): "running",
    ("failed", "cancel"): "cancelled",
    ("cancelled", "start"): "running",
    ("cancelled", "cancel"): "cancelled",
    ("done", "start"): "running",
}


@pytest.mark.parametrize(("state", "step"), list(product(STATES, STEPS)))
def test_a_step_leads_where_it_should_or_is_refused(state: JobState, step: JobAction) -> None:
    if (state, step) in LEGAL:
        assert next_state(state, step) == LEGAL[state, step]
    else:
        with pytest.raises(UsageError, match=f"cannot {step} a job that is {state}"):
            next_state(state, step)


@given(steps=st.lists(st.sampled_from(STEPS)))
def test_any_order_of_steps_ends_in_a_legal_state(steps: list[JobAction]) -> None:
    state: JobState = "queued"
    for step in steps:
        try:
            state = next_state(state, step)
        except UsageError:
            continue
        assert state in STATES
        assert step != "start" or state == "running"
    assert next_state(next_state(state, "start"), "finish") == "done", "it can always be gone on with"


def test_only_a_job_that_runs_comes_to_an_end_by_itself() -> None:
    for state, step in product(STATES, STEPS):
        if step in ("finish", "fail") and state != "running":
            with pytest.raises(UsageError):
                next_state(state, step)
    assert {
        next_state("running", "finish"),
        next_state("running", "fail"),
        next_state("running", "cancel"),
    } == FINAL_STATES
