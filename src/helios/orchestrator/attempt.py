"""One try at a chunk."""

from __future__ import annotations

from dataclasses import dataclass

from helios.orchestrator.chunks import Chunk


@dataclass(slots=True, eq=False)
class Attempt:
    """One try at a chunk by ``worker``, which has reported ``frames`` as done.

    ``number`` counts the attempts at its chunk from 1, ``serial`` those of the schedule. Times are of the schedule's
    clock (seconds). ``silence`` is how long it was silent when it was stopped for that (seconds); an ``unwanted`` one
    was stopped because its result no longer counts.
    """

    chunk: Chunk
    number: int
    serial: int
    worker: int
    started: float
    last_heartbeat: float
    first_heartbeat: float | None = None
    frames: int = 0
    silence: float | None = None
    unwanted: bool = False
