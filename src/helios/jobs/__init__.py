"""Durable jobs: specs, the journal of their progress, and the processes that run them."""

from helios.jobs.journal import JobStatus, Journal
from helios.jobs.spec import JobSpec

__all__ = ["JobSpec", "JobStatus", "Journal"]
