"""The states of a job, and what leads from one to another."""

from __future__ import annotations

from typing import Literal

from helios.errors import UsageError

State = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
"""``queued``: nobody has started it. ``paused``: it was stopped and can go on. The last three are ends, though any of
them can be started again: what is made is kept."""

Step = Literal["start", "pause", "cancel", "finish", "fail"]

_NEXT: dict[State, dict[Step, State]] = {
    "queued": {"start": "running", "pause": "paused", "cancel": "cancelled"},
    "running": {
        "start": "running",  # whoever ran it is gone
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

ENDS: frozenset[State] = frozenset({"done", "failed", "cancelled"})


def after(state: State, step: Step) -> State:
    """The state that ``step`` leads to.

    Raises:
        UsageError: a job in that state can't take it.
    """
    try:
        return _NEXT[state][step]
    except KeyError:
        raise UsageError(f"a job that is {state} can't {step}") from None
