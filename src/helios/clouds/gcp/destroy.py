"""Removes a deployment with all its data."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from helios.clouds.events import Confirm, MessageIssued, ResourceChanged, Show
from helios.clouds.gcp.deployment import LABEL, Names, find_bucket
from helios.clouds.gcp.errors import google_errors
from helios.clouds.gcp.project import Project
from helios.errors import UsageError

_TIMEOUT_S = 600.0
_THREADS = 16


def destroy(project: Project, name: str, *, show: Show, confirm: Confirm) -> None:
    """Shows the data that would be lost; if ``confirm`` agrees, removes the service, the images, the accounts and the
    bucket. The bucket is last, because it identifies a deployment whose removal was interrupted.

    Raises:
        UsageError: there is no such deployment, or ``confirm`` refused.
        DeployError: a resource can't be removed.
    """
    with google_errors():
        bucket = find_bucket(project, name)
        if bucket is None or LABEL not in bucket.labels:
            raise UsageError(f"there is no deployment {name}: helios deploy list --cloud gcp shows all")
        names = Names(project.id, bucket.location.lower(), name)
        files = list(bucket.list_blobs(versions=True))
        size = sum(file.size or 0 for file in files)
        line = (
            f"{name} in {names.region} (Helios {bucket.labels[LABEL]}) would be removed permanently: its service, "
            f"its images, and {len(files)} files ({size / 1e6:.1f} MB) in {bucket.name}"
        )
        show(MessageIssued(message=line))
        if not confirm(line):
            raise UsageError(f"{name} was not removed: confirm with --yes")
        services, repositories = project.services, project.repositories
        if _is_ours(lambda: services.get_service(name=names.service)):
            _remove("service", lambda: services.delete_service(name=names.service).result(timeout=_TIMEOUT_S), show)
        if _is_ours(lambda: repositories.get_repository(name=names.repository)):
            _remove(
                "repository",
                lambda: repositories.delete_repository(name=names.repository).result(timeout=_TIMEOUT_S),
                show,
            )
        for email in (names.worker, names.builder):
            _remove(email, lambda email=email: project.iam("DELETE", f"serviceAccounts/{email}"), show)
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(_delete, files))
        _remove("bucket", bucket.delete, show)
        show(MessageIssued(message=f"{name} was removed"))


def _is_ours(read: Callable[[], Any]) -> bool:
    """Returns whether a resource exists and belongs to Helios."""
    from google.api_core.exceptions import NotFound

    try:
        return LABEL in read().labels
    except NotFound:
        return False


def _delete(file: Any) -> None:
    _remove(file.name, file.delete, lambda event: None)


def _remove(resource: str, remove: Callable[[], object], show: Show) -> None:
    from google.api_core.exceptions import NotFound

    try:
        remove()
    except NotFound:
        return
    show(ResourceChanged(resource=resource, status="removed"))
