"""Changes of an attempt's state, for logs and other observers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from helios.logs import redact

AttemptState = Literal["submitted", "queued", "started", "running", "finished", "failed", "cancelled"]
"""A submitted chunk is queued until a worker starts an attempt at it, which runs from its first heartbeat on."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Transition:
    """An attempt's change from ``old_state`` to ``new_state``.

    ``attempt`` counts the attempts at ``chunk`` from 1. ``worker`` and ``host`` (the worker's pool, such as "aws") are
    None before a worker starts it. ``reason`` is one line without secrets.
    """

    job: str
    chunk: int
    attempt: int
    old_state: AttemptState
    new_state: AttemptState
    reason: str
    worker: int | None = None
    host: str | None = None


OnTransition = Callable[[Transition], None]


def log_transition(transition: Transition) -> None:
    """Writes one log line: for debugging if the chunk is queued, else for information."""
    level = logging.DEBUG if transition.new_state == "queued" else logging.INFO
    _log.log(
        level,
        "chunk %d, attempt %d: %s -> %s",
        transition.chunk,
        transition.attempt,
        transition.old_state,
        transition.new_state,
        extra=asdict(transition),
    )


def redact_error(error: BaseException) -> str:
    """One line about ``error`` without secrets, as a ``reason``."""
    return redact(str(error).partition("\n")[0] or type(error).__name__)
