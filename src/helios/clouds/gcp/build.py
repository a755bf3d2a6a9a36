"""The worker's image, built by Cloud Build from an uploaded context: no Docker is needed here."""

from __future__ import annotations

import time
from itertools import islice
from typing import Any

from helios.clouds.events import Building, Said, Show
from helios.clouds.gcp.deployment import Names
from helios.clouds.gcp.project import Project
from helios.errors import DeployError

LOOK = 5.0
"""Seconds between looks at a build."""
_LOGS = "logs"
_TIMEOUT_S = 1800
_TOLD_LINES = 15
AGAIN = 30.0
"""Seconds until a build is started again that failed for rights which were only just given."""
_TRIES = 5
_NO_RIGHTS = ("FETCH_SOURCE_FAILED", "LOGGING_FAILURE", "PUSH_NOT_AUTHORIZED")
_UNDER_WAY = ("STATUS_UNKNOWN", "PENDING", "QUEUED", "WORKING")
_NEWEST = 50


def is_built(project: Project, names: Names, tag: str) -> bool:
    """Whether the repository has that image."""
    from google.api_core.exceptions import NotFound

    try:
        project.repositories.get_tag(name=f"{names.repository}/packages/worker/tags/{tag}")
    except NotFound:
        return False
    return True


def build(project: Project, names: Names, tag: str, context: bytes, show: Show, *, fresh: bool) -> None:
    """Has the image built, and waits for it. A build of it that is under way is waited for.

    Where rights are ``fresh``, a build that fails for want of them is started again: it takes some minutes until Google
    knows them everywhere (https://cloud.google.com/iam/docs/access-change-propagation).

    Raises:
        DeployError: it can't be built; the end of its log is told.
    """
    id = _under_way(project, tag)
    if id:
        show(Said(message=f"the image is being built already ({id}): waiting"))
    for left in reversed(range(_TRIES if fresh else 1)):
        id = id or _begin(project, names, tag, context)
        finished = _follow(project, id, show)
        if finished.status.name == "SUCCESS":
            return
        if not left or finished.failure_info.type_.name not in _NO_RIGHTS:
            message = finished.status_detail or finished.failure_info.detail or finished.status.name
            raise DeployError(f"the image could not be built: {message}{_end_of_log(project, names, id)}")
        show(Said(message="the builder's rights are not known everywhere yet: the image is built again"))
        id = ""
        time.sleep(AGAIN)


def _under_way(project: Project, tag: str) -> str:
    """The build of that image which is under way, among the newest of the project; empty where there is none."""
    found = project.builds.list_builds({"project_id": project.id, "page_size": _NEWEST})
    builds = (build for build in islice(found, _NEWEST) if tag in build.tags and build.status.name in _UNDER_WAY)
    return next((build.id for build in builds), "")


def _begin(project: Project, names: Names, tag: str, context: bytes) -> str:
    blob = project.storage.bucket(names.bucket).blob(f"context/{tag}.zip")
    blob.upload_from_string(context, content_type="application/zip")
    image = names.image(tag)
    build = {
        # The generation, for workers may write into the bucket: none of them can put other code in its place.
        "source": {"storage_source": {"bucket": names.bucket, "object_": blob.name, "generation": blob.generation}},
        "steps": [{"name": "gcr.io/cloud-builders/docker", "args": ["build", "--tag", image, "."]}],
        "images": [image],
        "tags": [tag],
        "timeout": f"{_TIMEOUT_S}s",
        "service_account": f"projects/{project.id}/serviceAccounts/{names.builder}",
        "logs_bucket": f"gs://{names.bucket}/{_LOGS}",
        "options": {"logging": "GCS_ONLY"},
    }
    return project.builds.create_build(project_id=project.id, build=build).metadata.build.id


def _follow(project: Project, id: str, show: Show) -> Any:
    """The build when it has ended."""
    seen = ""
    while True:
        found = project.builds.get_build(project_id=project.id, id=id)
        if found.status.name != seen:
            seen = found.status.name
            show(Building(phase=id, status=seen))
        if seen not in _UNDER_WAY:
            return found
        time.sleep(LOOK)


def _end_of_log(project: Project, names: Names, build: str) -> str:
    from google.api_core.exceptions import GoogleAPIError

    try:
        text = project.storage.bucket(names.bucket).blob(f"{_LOGS}/log-{build}.txt").download_as_bytes()
    except GoogleAPIError:
        return ""
    lines = text.decode("utf-8", "replace").splitlines()[-_TOLD_LINES:]
    return "; its log ends with:\n  " + "\n  ".join(lines)
