"""Places to run a command: one file for each, behind one small protocol."""

from helios.adapters.base import WorkerAdapter
from helios.adapters.local import LocalWorkerAdapter
from helios.adapters.targets import CloudRunTarget, LambdaTarget, LocalTarget, Place, check_aws, check_gcp, open_adapter

__all__ = [
    "CloudRunTarget",
    "LambdaTarget",
    "LocalTarget",
    "LocalWorkerAdapter",
    "Place",
    "WorkerAdapter",
    "check_aws",
    "check_gcp",
    "open_adapter",
]
