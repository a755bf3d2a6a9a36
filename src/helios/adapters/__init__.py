"""Adapters run commands somewhere. A registry names them; packages add their own (see docs/adapters.md)."""

from helios.adapters.aws import LambdaTarget, check_aws
from helios.adapters.base import AdapterKind, RemoteTarget, Target, WorkerAdapter
from helios.adapters.gcp import CloudRunTarget, check_gcp
from helios.adapters.local import LocalTarget, LocalWorkerAdapter
from helios.adapters.objects import ObjectTarget, check_portable, object_target
from helios.adapters.registry import AnyTarget, adapter_names, check_target, find_kind, open_adapter, own_kinds

__all__ = [
    "AdapterKind",
    "AnyTarget",
    "CloudRunTarget",
    "LambdaTarget",
    "LocalTarget",
    "LocalWorkerAdapter",
    "ObjectTarget",
    "RemoteTarget",
    "Target",
    "WorkerAdapter",
    "adapter_names",
    "check_aws",
    "check_gcp",
    "check_portable",
    "check_target",
    "find_kind",
    "object_target",
    "open_adapter",
    "own_kinds",
]
