"""Jobs that outlive the process that runs them: what they are, how far they have come, who may run them."""

from helios.jobs.journal import JobStatus, Journal
from helios.jobs.spec import JobSpec

__all__ = ["JobSpec", "JobStatus", "Journal"]
