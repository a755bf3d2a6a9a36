"""What a worker is asked to do, what came of it, and how it is done on one machine."""

from helios.worker.job import Artifact, WorkerJob, WorkerResult
from helios.worker.process import ChildProcess, LineSink, collect_outputs

__all__ = ["Artifact", "ChildProcess", "LineSink", "WorkerJob", "WorkerResult", "collect_outputs"]
