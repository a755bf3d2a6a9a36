"""What a batch leaves on this machine until it is done: a name for what it has made, and a folder to work in."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from helios.errors import OutputError, UsageError
from helios.jobs.retention import cache_limit, prune_cache
from helios.jobs.runner import kill_processes_in
from helios.orchestrator.chunk_cache import short_digest


@dataclass(slots=True)
class BatchState:
    """``job`` is the same until the batch is ``done``: also what only counts for its own job is found again.
    ``folder`` is empty at first.
    """

    job: str
    folder: Path
    done: bool = False


@contextmanager
def batch_state(state: Path, name: Sequence[str], *, keeps: bool) -> Generator[BatchState]:
    """The state of the batch that ``name`` tells from others, in the folder ``state``, which no other process has while
    the block runs. ``keeps``: videos are kept there too, and afterwards those of the longest time ago go.

    Raises:
        UsageError: another has.
        OutputError: it can't be kept.
    """
    cache_limit()  # what it says may be wrong: better now than afterwards
    folder = state / "batches" / short_digest("\0".join(name))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise OutputError(f"{folder} can't be written: {error.strerror} (HELIOS_STATE names another folder)") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError("this batch is being made by another process") from None
        own = folder / "job"
        job = own.read_text() if own.is_file() else ""
        if not job:
            job = secrets.token_hex(8)
            own.write_text(job)
        work = folder / "work"
        kill_processes_in(work)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        found = BatchState(job, work)
        try:
            yield found
        finally:
            shutil.rmtree(folder if found.done else work, ignore_errors=True)
        if keeps:
            prune_cache(state)
    finally:
        os.close(descriptor)
