"""How much of what was made is kept in the user's own folder."""

from __future__ import annotations

import contextlib
import os
import shutil
from contextlib import closing
from pathlib import Path

from helios.errors import UsageError
from helios.jobs.journal import Journal

KEPT_GB = 5.0
"""Gigabytes of chunks that are kept for jobs to come; $HELIOS_KEEP_GB is another number."""


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


def prune(folder: Path) -> None:
    """Removes the chunks in a state folder that were made the longest time ago, until the others fit.

    What jobs have made that can still be gone on with stays. What killed jobs have left goes. While a job runs, nothing
    is removed.
    """
    left = kept_bytes()
    with closing(Journal(folder)) as journal:
        statuses = journal.statuses()
    if any(status.alive for status in statuses):
        return
    unfinished = tuple(f"{status.id}-" for status in statuses if status.state != "done")
    shutil.rmtree(folder / "work", ignore_errors=True)
    artifacts = folder / "artifacts"
    files = [(path.stat(), path) for path in artifacts.glob("segments/*/*.*") if path.suffix != ".json"]
    for stat, path in sorted(files, key=lambda file: file[0].st_mtime, reverse=True):
        left -= stat.st_size
        if left < 0 and not path.name.partition(".")[2].startswith(unfinished):
            for record in path.parent.glob(f"{path.name.partition('.')[0]}.*.json"):
                record.unlink(missing_ok=True)  # first: a record without its segment would be a lie
            path.unlink(missing_ok=True)
    for folder in artifacts.glob("segments/*"):
        if all(path.name.startswith("inputs-") for path in folder.iterdir()):
            for path in folder.iterdir():
                path.unlink()
            with contextlib.suppress(OSError):
                folder.rmdir()
