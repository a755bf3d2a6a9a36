"""What a worker is asked to do, and what came of it."""

from helios.worker.job import WorkerJob, WorkerResult, digests_of

__all__ = ["WorkerJob", "WorkerResult", "digests_of"]
