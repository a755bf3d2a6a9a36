"""Places to run a command: one file for each, behind one small protocol."""

from helios.adapters.base import LineSink, WorkerAdapter
from helios.adapters.local import LocalWorkerAdapter

__all__ = ["LineSink", "LocalWorkerAdapter", "WorkerAdapter"]
