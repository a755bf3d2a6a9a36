"""The verbs for jobs of this user."""

from __future__ import annotations

from contextlib import closing

from helios.jobs import JobStatus, Journal
from helios.jobs.job import Job


def job(id: str) -> Job:
    """Returns the job with that id, or whose id starts with it.

    Raises:
        UsageError: there is no such job, or more than one.
    """
    journal = Journal()
    return Job(journal, journal.find(id))


def list_jobs() -> list[JobStatus]:
    """Returns the status of every job, the newest first."""
    with closing(Journal()) as journal:
        return journal.statuses()
