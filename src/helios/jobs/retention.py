"""How much of what was made is kept in the user's own folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from contextlib import closing
from pathlib import Path

from helios.errors import OutputError, UsageError
from helios.jobs.journal import Journal

KEPT_GB = 5.0
"""Gigabytes of chunks that are kept for jobs to come; $HELIOS_KEEP_GB is another number."""
KEPT_DAYS = 30
"""Days that the journal keeps a job that has ended."""
KEPT_JOBS = 1000
"""The most jobs that have ended that the journal keeps."""


def kept_bytes() -> float:
    """How many bytes of chunks are kept.

    Raises:
        UsageError: HELIOS_KEEP_GB is no number.
    """
    named = os.environ.get("HELIOS_KEEP_GB")
    try:
        return (KEPT_GB if named is None else float(named)) * 1e9
    except ValueError:
        raise UsageError(f"HELIOS_KEEP_GB is {named!r}, and no number of gigabytes") from None


def forget_ended(journal: Journal) -> None:
    """Removes jobs from the journal that ended long ago; what they made stays for as long as ``prune`` leaves it."""
    with contextlib.suppress(OutputError):  # the next job tries again
        journal.forget(time.time() - KEPT_DAYS * 86_400, KEPT_JOBS)


def prune(folder: Path) -> None:
    """Removes the chunks in a state folder that were made the longest time ago, until the others fit.

    What jobs have made that can still be gone on with stays. What killed jobs have left goes. While a job runs, or
    another process does this, nothing is removed.
    """
    left = kept_bytes()
    descriptor = os.open(folder / "prune.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _prune(folder, left)
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)


def _prune(folder: Path, left: float) -> None:
    with closing(Journal(folder)) as journal:
        unfinished = journal.unfinished()
        if any(status.alive for status in unfinished):
            return
        for work in folder.glob("work/*"):
            with contextlib.suppress(UsageError), journal.running(work.name):  # a job may have started meanwhile
                shutil.rmtree(work, ignore_errors=True)
    own = tuple(f"{status.id}-" for status in unfinished)
    artifacts = folder / "artifacts"
    files: list[tuple[os.stat_result, Path]] = []
    for path in artifacts.glob("segments/*/*.*"):
        with contextlib.suppress(FileNotFoundError):  # another process has deleted a job
            if path.suffix != ".json":
                files.append((path.stat(), path))
    for stat, path in sorted(files, key=lambda file: file[0].st_mtime, reverse=True):
        left -= stat.st_size
        if left < 0 and not path.name.partition(".")[2].startswith(own):
            for record in path.parent.glob(f"{path.name.partition('.')[0]}.*.json"):
                record.unlink(missing_ok=True)  # first: a record without its segment would be a lie
            path.unlink(missing_ok=True)
    for place in artifacts.glob("segments/*"):
        with contextlib.suppress(OSError):
            if all(path.name.startswith("inputs-") for path in place.iterdir()):
                for path in place.iterdir():
                    path.unlink(missing_ok=True)
                place.rmdir()
