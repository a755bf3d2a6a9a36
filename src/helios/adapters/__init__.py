"""Places to run a command: one file for each, behind one small protocol."""

from helios.adapters.base import WorkerAdapter
from helios.adapters.local import LocalWorkerAdapter

__all__ = ["LocalWorkerAdapter", "WorkerAdapter"]
