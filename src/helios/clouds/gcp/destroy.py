"""Removing a deployment with all that is in it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from helios.clouds.events import Confirm, ResourceChanged, Said, Show
from helios.clouds.gcp.deployment import LABEL, Names, own_bucket
from helios.clouds.gcp.project import Project, told
from helios.errors import UsageError

_SEVERAL = 600.0
_AT_ONCE = 16


def destroy(project: Project, name: str, *, show: Show, confirm: Confirm) -> None:
    """Says what will be lost, then removes the service, the images, the accounts and the bucket, which is last: by it
    a removal that was interrupted is found again.

    Raises:
        UsageError: there is no such deployment, or it was not agreed to.
        DeployError: something can't be removed.
    """
    with told():
        bucket = own_bucket(project, name)
        if bucket is None or LABEL not in bucket.labels:
            raise UsageError(
                f"there is no deployment {name}: helios deploy list --cloud gcp shows those that there are"
            )
        names = Names(project.id, bucket.location.lower(), name)
        files = list(bucket.list_blobs(versions=True))
        size = sum(file.size or 0 for file in files)
        line = (
            f"{name} in {names.region} (Helios {bucket.labels[LABEL]}) would be removed for good: its service, "
            f"its images, and {len(files)} files ({size / 1e6:.1f} MB) in {bucket.name}"
        )
        show(Said(message=line))
        if not confirm(line):
            raise UsageError(f"{name} is left as it is: agree to its removal with --yes")
        services, repositories = project.services, project.repositories
        if _is_ours(lambda: services.get_service(name=names.service)):
            _gone("service", lambda: services.delete_service(name=names.service).result(timeout=_SEVERAL), show)
        if _is_ours(lambda: repositories.get_repository(name=names.repository)):
            _gone(
                "repository",
                lambda: repositories.delete_repository(name=names.repository).result(timeout=_SEVERAL),
                show,
            )
        for email in (names.worker, names.builder):
            _gone(email, lambda email=email: project.iam("DELETE", f"serviceAccounts/{email}"), show)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(_delete, files))
        _gone("bucket", lambda: bucket.delete(), show)
        show(Said(message=f"{name} is removed"))


def _is_ours(look: Callable[[], Any]) -> bool:
    """Whether something is there, and was made by Helios."""
    from google.api_core.exceptions import NotFound

    try:
        return LABEL in look().labels
    except NotFound:
        return False


def _delete(file: Any) -> None:
    _gone(file.name, file.delete, lambda event: None)


def _gone(what: str, remove: Callable[[], object], show: Show) -> None:
    from google.api_core.exceptions import NotFound

    try:
        remove()
    except NotFound:
        return
    show(ResourceChanged(resource=what, status="removed", reason=""))
