"""Builds the worker's image with Cloud Build from an uploaded context, so that no local Docker is needed."""

from __future__ import annotations

import time
from itertools import islice
from typing import Any

from helios.clouds.events import BuildProgressed, MessageIssued, Show
from helios.clouds.gcp.deployment import Names
from helios.clouds.gcp.project import Project
from helios.errors import DeployError

POLL = 5.0
"""Seconds between two requests for a build's status."""
_LOGS = "logs"
_TIMEOUT_S = 1800
_LOG_LINES = 15
RETRY_PAUSE = 30.0
"""Seconds before a build is repeated that failed because new permissions were not yet effective."""
_TRIES = 5
_DENIED = ("FETCH_SOURCE_FAILED", "LOGGING_FAILURE", "PUSH_NOT_AUTHORIZED")
_RUNNING = ("STATUS_UNKNOWN", "PENDING", "QUEUED", "WORKING")
_NEWEST = 50


def is_built(project: Project, names: Names, tag: str) -> bool:
    """Returns whether the repository has that image."""
    from google.api_core.exceptions import NotFound

    try:
        project.repositories.get_tag(name=f"{names.repository}/packages/worker/tags/{tag}")
    except NotFound:
        return False
    return True


def build(project: Project, names: Names, tag: str, context: bytes, show: Show, *, fresh: bool) -> None:
    """Builds the image, or waits for a build of it that is in progress.

    If permissions were granted just now (``fresh``), a build that lacks them is repeated: they take some minutes to
    become effective (https://cloud.google.com/iam/docs/access-change-propagation).

    Raises:
        DeployError: the build failed; the message has the end of its log.
    """
    id = _find_running(project, tag)
    if id:
        show(MessageIssued(message=f"a build of the image is already in progress ({id}): waiting for it"))
    for left in reversed(range(_TRIES if fresh else 1)):
        id = id or _start(project, names, tag, context)
        finished = _follow(project, id, show)
        if finished.status.name == "SUCCESS":
            return
        if not left or finished.failure_info.type_.name not in _DENIED:
            message = finished.status_detail or finished.failure_info.detail or finished.status.name
            raise DeployError(f"the image build failed: {message}{_end_of_log(project, names, id)}")
        show(MessageIssued(message="the builder's permissions are not yet effective: the build is repeated"))
        id = ""
        time.sleep(RETRY_PAUSE)


def _find_running(project: Project, tag: str) -> str:
    """Returns the id of a build of that image in progress, among the project's newest; empty if there is none."""
    found = project.builds.list_builds({"project_id": project.id, "page_size": _NEWEST})
    builds = (build for build in islice(found, _NEWEST) if tag in build.tags and build.status.name in _RUNNING)
    return next((build.id for build in builds), "")


def _start(project: Project, names: Names, tag: str, context: bytes) -> str:
    blob = project.storage.bucket(names.bucket).blob(f"context/{tag}.zip")
    blob.upload_from_string(context, content_type="application/zip")
    image = names.image(tag)
    build = {
        # With the generation: workers can write to the bucket, and must not replace the code.
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
    """Waits for the end of a build and returns it."""
    seen = ""
    while True:
        found = project.builds.get_build(project_id=project.id, id=id)
        if found.status.name != seen:
            seen = found.status.name
            show(BuildProgressed(phase=id, status=seen))
        if seen not in _RUNNING:
            return found
        time.sleep(POLL)


def _end_of_log(project: Project, names: Names, build: str) -> str:
    from google.api_core.exceptions import GoogleAPIError

    try:
        text = project.storage.bucket(names.bucket).blob(f"{_LOGS}/log-{build}.txt").download_as_bytes()
    except GoogleAPIError:
        return ""
    lines = text.decode("utf-8", "replace").splitlines()[-_LOG_LINES:]
    return "; its log ends with:\n  " + "\n  ".join(lines)
