"""Many films of one page, a row of data each: rows, their films' names, the groups in which they are drawn."""

from helios.batches.events import (
    Batched,
    BatchEvent,
    BatchPlanned,
    BatchSink,
    FilmFailed,
    FilmKept,
    FilmMade,
    FilmResult,
)
from helios.batches.names import format_for, make_room, name_films
from helios.batches.plan import BatchPlan, plan_batch
from helios.batches.rows import Row, read_rows
from helios.batches.run import BatchRun
from helios.batches.state import batch_state

__all__ = [
    "BatchEvent",
    "BatchPlan",
    "BatchPlanned",
    "BatchRun",
    "BatchSink",
    "Batched",
    "FilmFailed",
    "FilmKept",
    "FilmMade",
    "FilmResult",
    "Row",
    "batch_state",
    "format_for",
    "make_room",
    "name_films",
    "plan_batch",
    "read_rows",
]
