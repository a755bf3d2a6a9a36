"""The states of a job and the actions that lead from one to another."""

from __future__ import annotations

from typing import Literal

from helios.errors import UsageError

JobState = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
"""``queued``: not started yet. ``paused``: stopped, and can be resumed. The last three are final, though such a job can
be started again: its chunks stay in the cache."""

JobAction = Literal["start", "pause", "cancel", "finish", "fail"]

_NEXT: dict[JobState, dict[JobAction, JobState]] = {
    "queued": {"start": "running", "pause": "paused", "cancel": "cancelled"},
    "running": {
        "start": "running",  # after a runner that was killed
        "pause": "paused",
        "cancel": "cancelled",
        "finish": "done",
        "fail": "failed",
    },
    "paused": {"start": "running", "pause": "paused", "cancel": "cancelled"},
    "failed": {"start": "running", "cancel": "cancelled"},
    "cancelled": {"start": "running", "cancel": "cancelled"},
    "done": {"start": "running"},
}

FINAL_STATES: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})


def next_state(state: JobState, action: JobAction) -> JobState:
    """Returns the state that ``action`` leads to.

    Raises:
        UsageError: a job in ``state`` does not allow ``action``.
    """
    try:
        return _NEXT[state][action]
    except KeyError:
        raise UsageError(f"cannot {action} a job that is {state}") from None
