"""Places to run a command: one file for each, behind one small protocol."""

from helios.adapters.base import WorkerAdapter
from helios.adapters.local import LocalWorkerAdapter
from helios.adapters.places import LambdaPlace, check_aws, open_adapter

__all__ = ["LambdaPlace", "LocalWorkerAdapter", "WorkerAdapter", "check_aws", "open_adapter"]
