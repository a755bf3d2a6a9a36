"""A job changes its state as defined, for any sequence of actions."""

from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios.errors import UsageError
from helios.jobs.states import FINAL_STATES, JobAction, JobState, next_state

STATES: tuple[JobState, ...] = get_args(JobState)
ACTIONS: tuple[JobAction, ...] = get_args(JobAction)
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


@pytest.mark.parametrize(("state", "action"), list(product(STATES, ACTIONS)))
def test_an_action_leads_to_its_state_or_is_refused(state: JobState, action: JobAction) -> None:
    if (state, action) in LEGAL:
        assert next_state(state, action) == LEGAL[state, action]
    else:
        with pytest.raises(UsageError, match=f"cannot {action} a job that is {state}"):
            next_state(state, action)


@given(actions=st.lists(st.sampled_from(ACTIONS)))
def test_any_sequence_of_actions_ends_in_a_legal_state(actions: list[JobAction]) -> None:
    state: JobState = "queued"
    for action in actions:
        try:
            state = next_state(state, action)
        except UsageError:
            continue
        assert state in STATES
        assert action != "start" or state == "running"
    assert next_state(next_state(state, "start"), "finish") == "done", "it can always be resumed"


def test_only_a_running_job_finishes_by_itself() -> None:
    for state, action in product(STATES, ACTIONS):
        if action in ("finish", "fail") and state != "running":
            with pytest.raises(UsageError):
                next_state(state, action)
    assert {
        next_state("running", "finish"),
        next_state("running", "fail"),
        next_state("running", "cancel"),
    } == FINAL_STATES
