"""Removing a deployment with all that is in it."""

from __future__ import annotations

from collections.abc import Callable

from helios.deploy.events import Confirm, ResourceChanged, Said, Show
from helios.deploy.gcp.deployment import LABEL, Names, bucket_name
from helios.deploy.gcp.project import Project, told
from helios.errors import UsageError

_SEVERAL = 600.0


def destroy(project: Project, name: str, *, show: Show, confirm: Confirm) -> None:
    """Says what will be lost, then removes the service, the images, the accounts and the bucket, which is last: by it
    a removal that was interrupted is found again.

    Raises:
        UsageError: there is no such deployment, or it was not agreed to.
        DeployError: something can't be removed.
    """
    with told():
        bucket = project.storage.lookup_bucket(bucket_name(project.id, name))
        if bucket is None or LABEL not in bucket.labels:
            raise UsageError(
                f"there is no deployment {name}: helios deploy list --cloud gcp shows those that there are"
            )
        names = Names(project.id, bucket.location.lower(), name)
        files = list(bucket.list_blobs())
        size = sum(file.size or 0 for file in files)
        line = (
            f"{name} in {names.region} (Helios {bucket.labels[LABEL]}) would be removed for good: its service, "
            f"its images, and {len(files)} files ({size / 1e6:.1f} MB) in {bucket.name}"
        )
        show(Said(message=line))
        if not confirm(line):
            raise UsageError(f"{name} is left as it is: agree to its removal with --yes")
        _gone("service", lambda: project.services.delete_service(name=names.service).result(timeout=_SEVERAL), show)
        _gone(
            "repository",
            lambda: project.repositories.delete_repository(name=names.repository).result(timeout=_SEVERAL),
            show,
        )
        for email in (names.worker, names.builder):
            _gone(email, lambda email=email: project.iam("DELETE", f"serviceAccounts/{email}"), show)
        for file in files:
            _gone(file.name, file.delete, lambda event: None)
        _gone("bucket", lambda: bucket.delete(force=True), show)
        show(Said(message=f"{name} is removed"))


def _gone(what: str, remove: Callable[[], object], show: Show) -> None:
    from google.api_core.exceptions import NotFound

    try:
        remove()
    except NotFound:
        return
    show(ResourceChanged(resource=what, status="removed", reason=""))
