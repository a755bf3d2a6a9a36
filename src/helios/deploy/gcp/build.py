"""The worker's image, built by Cloud Build from an uploaded context: no Docker is needed here."""

from __future__ import annotations

import time
from typing import Any

from helios.deploy.events import Building, Said, Show
from helios.deploy.gcp.deployment import Names
from helios.deploy.gcp.project import Project
from helios.errors import DeployError

LOOK = 5.0
"""Seconds between looks at a build."""
_LOGS = "logs"
_TIMEOUT_S = 1800
_TOLD_LINES = 15


def is_built(project: Project, names: Names, tag: str) -> bool:
    """Whether the repository has that image."""
    from google.api_core.exceptions import NotFound

    try:
        project.repositories.get_tag(name=f"{names.repository}/packages/worker/tags/{tag}")
    except NotFound:
        return False
    return True


def build(project: Project, names: Names, tag: str, context: bytes, show: Show) -> None:
    """Has the image built, and waits for it. A build of it that is under way is waited for.

    Raises:
        DeployError: it can't be built; the end of its log is told.
    """
    under_way = f'tags="{tag}" AND (status="QUEUED" OR status="WORKING")'
    found = next(iter(project.builds.list_builds(project_id=project.id, filter=under_way)), None)
    if found:
        show(Said(message=f"the image is being built already ({found.id}): waiting"))
    else:
        key = f"context/{tag}.zip"
        project.storage.bucket(names.bucket).blob(key).upload_from_string(context, content_type="application/zip")
        operation = project.builds.create_build(project_id=project.id, build=_build(project, names, tag, key))
        found = operation.metadata.build
    seen = ""
    while True:
        state = project.builds.get_build(project_id=project.id, id=found.id)
        status = state.status.name
        if status != seen:
            show(Building(phase=found.id, status=status))
            seen = status
        if status == "SUCCESS":
            return
        if status not in ("QUEUED", "WORKING", "PENDING", "STATUS_UNKNOWN"):
            said = state.status_detail or state.failure_info.detail or status
            raise DeployError(f"the image could not be built: {said}{_end_of_log(project, names, found.id)}")
        time.sleep(LOOK)


def _build(project: Project, names: Names, tag: str, key: str) -> dict[str, Any]:
    image = names.image(tag)
    return {
        "source": {"storage_source": {"bucket": names.bucket, "object_": key}},
        "steps": [{"name": "gcr.io/cloud-builders/docker", "args": ["build", "--tag", image, "."]}],
        "images": [image],
        "tags": [tag],
        "timeout": f"{_TIMEOUT_S}s",
        "service_account": f"projects/{project.id}/serviceAccounts/{names.builder}",
        "logs_bucket": f"gs://{names.bucket}/{_LOGS}",
        "options": {"logging": "GCS_ONLY"},
    }


def _end_of_log(project: Project, names: Names, build: str) -> str:
    from google.api_core.exceptions import GoogleAPIError

    try:
        text = project.storage.bucket(names.bucket).blob(f"{_LOGS}/log-{build}.txt").download_as_bytes()
    except GoogleAPIError:
        return ""
    lines = text.decode("utf-8", "replace").splitlines()[-_TOLD_LINES:]
    return "; its log ends with:\n  " + "\n  ".join(lines)
