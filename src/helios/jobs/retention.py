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


def prune(folder: Path) -> None:
    """Removes the chunks in a state folder that were made the longest time ago, until the others fit.

    So does what killed jobs have left. While a job runs, nothing is removed.

    Raises:
        UsageError: HELIOS_KEEP_GB is no number.
    """
    with closing(Journal(folder)) as journal:
        if any(status.alive for status in journal.statuses()):
            return
    shutil.rmtree(folder / "work", ignore_errors=True)
    artifacts = folder / "artifacts"
    named = os.environ.get("HELIOS_KEEP_GB")
    try:
        left = (KEPT_GB if named is None else float(named)) * 1e9
    except ValueError:
        raise UsageError(f"HELIOS_KEEP_GB is {named!r}, and no number of gigabytes") from None
    files = [(path.stat(), path) for path in artifacts.glob("segments/*/*.*") if path.suffix != ".json"]
    for stat, path in sorted(files, key=lambda file: file[0].st_mtime, reverse=True):
        left -= stat.st_size
        if left < 0:
            for record in path.parent.glob(f"{path.name.partition('.')[0]}.*.json"):
                record.unlink(missing_ok=True)  # first: a record without its segment would be a lie
            path.unlink(missing_ok=True)
    for folder in artifacts.glob("segments/*"):
        if all(path.name.startswith("inputs-") for path in folder.iterdir()):
            for path in folder.iterdir():
                path.unlink()
            with contextlib.suppress(OSError):
                folder.rmdir()
