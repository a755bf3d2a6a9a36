"""How many jobs the journal stores, and how many chunks the user's own cache."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from helios.errors import OutputError, UsageError
from helios.jobs.journal import JobStatus, Journal
from helios.locks import FileLock

CACHE_GB = 5.0
"""Gigabytes of chunks that stay for later jobs; $HELIOS_KEEP_GB overrides it."""
MAX_AGE_DAYS = 30
"""Days until the journal deletes a finished job."""
MAX_FINISHED_JOBS = 1000
"""The journal stores at most this many finished jobs."""


def cache_limit() -> float:
    """Returns how many bytes of chunks may stay in the cache.

    Raises:
        UsageError: HELIOS_KEEP_GB is not a number.
    """
    text = os.environ.get("HELIOS_KEEP_GB")
    try:
        return (CACHE_GB if text is None else float(text)) * 1e9
    except ValueError:
        raise UsageError(f"HELIOS_KEEP_GB must be a number of gigabytes, not {text!r}") from None


def delete_old_jobs(journal: Journal) -> None:
    """Deletes jobs from the journal that finished long ago. Their chunks stay until ``prune_cache`` removes them."""
    with contextlib.suppress(OutputError):  # the next job tries again
        journal.delete_finished(time.time() - MAX_AGE_DAYS * 86_400, MAX_FINISHED_JOBS)


def prune_cache(folder: Path) -> None:
    """Removes the oldest chunks in a state folder until the others fit into the limit, and folders of killed jobs.

    Chunks of jobs that can be resumed stay. While a job runs, or another process prunes, nothing is removed.
    """
    limit = cache_limit()
    with FileLock(folder / "prune.lock") as lock:
        if not lock.acquire():
            return
        with closing(Journal(folder)) as journal:
            unfinished = journal.unfinished()
            if any(status.alive for status in unfinished):
                return
            _remove_workspaces(journal)
        _remove_oldest(folder / "artifacts", limit, unfinished)
        _remove_empty_folders(folder / "artifacts")


def _remove_workspaces(journal: Journal) -> None:
    for workspace in journal.folder.glob("work/*"):
        with contextlib.suppress(UsageError), journal.running(workspace.name):  # a job may have started meanwhile
            shutil.rmtree(workspace, ignore_errors=True)


def _remove_oldest(artifacts: Path, limit: float, unfinished: Iterable[JobStatus]) -> None:
    resumable = tuple(f"{status.id}-" for status in unfinished)
    segments: list[tuple[os.stat_result, Path]] = []
    for path in artifacts.glob("segments/*/*.*"):
        with contextlib.suppress(FileNotFoundError):  # another process has deleted a job
            if path.suffix != ".json":
                segments.append((path.stat(), path))
    for stat, path in sorted(segments, key=lambda segment: segment[0].st_mtime, reverse=True):
        limit -= stat.st_size
        if limit < 0 and not path.name.partition(".")[2].startswith(resumable):
            for record in path.parent.glob(f"{path.name.partition('.')[0]}.*.json"):
                record.unlink(missing_ok=True)  # first: a record must not outlive its segment
            path.unlink(missing_ok=True)


def _remove_empty_folders(artifacts: Path) -> None:
    for folder in artifacts.glob("segments/*"):
        with contextlib.suppress(OSError):
            if all(path.name.startswith("inputs-") for path in folder.iterdir()):
                for path in folder.iterdir():
                    path.unlink(missing_ok=True)
                folder.rmdir()
