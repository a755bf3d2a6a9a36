"""A batch's state on this machine until it is done: the name of its job, and a work folder."""

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
    """``job`` is the same until the batch is ``done``, so that chunks for this job only are found again. ``folder`` is
    empty at first.
    """

    job: str
    folder: Path
    done: bool = False


@contextmanager
def batch_state(state: Path, name: Sequence[str], *, prunes: bool) -> Generator[BatchState]:
    """The state of the batch ``name`` in the folder ``state``, locked for other processes while the block runs.

    ``prunes``: the videos are cached in ``state`` too, and the oldest are deleted afterwards.

    Raises:
        UsageError: another process has locked it.
        OutputError: it can't be written.
    """
    cache_limit()  # raises now, not after the work, if the limit is malformed
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
            raise UsageError("another process runs this batch: wait for it") from None
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
        if prunes:
            prune_cache(state)
    finally:
        os.close(descriptor)
