"""One attempt at a chunk."""

from __future__ import annotations

from dataclasses import dataclass

from helios.orchestrator.chunks import Chunk
from helios.orchestrator.transitions import AttemptState


@dataclass(slots=True, eq=False)
class Attempt:
    """One attempt at a chunk by ``worker`` of the pool ``host``, which has reported ``frames`` finished frames.

    ``number`` counts the attempts at its chunk from 1, ``serial`` those of the schedule. Times are of the schedule's
    clock (seconds). ``silence`` is the time without a heartbeat after which it was stopped (seconds). An ``unwanted``
    one was stopped because its result no longer counts.
    """

    chunk: Chunk
    number: int
    serial: int
    worker: int
    host: str
    started: float
    last_heartbeat: float
    first_heartbeat: float | None = None
    frames: int = 0
    silence: float | None = None
    unwanted: bool = False
    state: AttemptState = "queued"
