"""A Google Cloud project and the official clients of its services."""

from __future__ import annotations

import os
import warnings
from functools import cached_property
from typing import Any

from helios.clouds.gcp.errors import google_errors
from helios.errors import UsageError
from helios.extras import check_extra

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class Project:
    """A project and its clients, which use REST and block. gcloud's own settings choose other endpoints:
    ``CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN`` and so on (https://cloud.google.com/sdk/gcloud/reference/topic/configurations).
    """

    def __init__(self, project: str, credentials: Any) -> None:
        self.id = project
        self._credentials = credentials

    @cached_property
    def services(self) -> Any:
        """Cloud Run's client."""
        from google.cloud import run_v2

        return run_v2.ServicesClient(**self._client("run"))

    @cached_property
    def builds(self) -> Any:
        """Cloud Build's client."""
        from google.cloud.devtools import cloudbuild_v1

        return cloudbuild_v1.CloudBuildClient(**self._client("cloudbuild"))

    @cached_property
    def repositories(self) -> Any:
        """Artifact Registry's client."""
        from google.cloud import artifactregistry_v1

        return artifactregistry_v1.ArtifactRegistryClient(**self._client("artifactregistry"))

    @cached_property
    def storage(self) -> Any:
        """Cloud Storage's client."""
        from google.cloud import storage  # pyright: ignore[reportMissingTypeStubs]

        return storage.Client(project=self.id, credentials=self._credentials)

    def iam(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Sends a request to IAM, which has no REST client for service accounts. ``path`` is below the project."""
        return self._request("iam", method, f"v1/projects/{self.id}/{path}", body)

    def quota(self, name: str) -> dict[str, Any]:
        """Returns Cloud Quotas' description of a quota of Cloud Run."""
        path = f"v1/projects/{self.id}/locations/global/services/run.googleapis.com/quotaInfos/{name}"
        return self._request("cloudquotas", "GET", path)

    def _request(self, service: str, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        from google.api_core import exceptions
        from google.auth.transport.requests import AuthorizedSession

        make_error: Any = exceptions.from_http_response  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        session: Any = AuthorizedSession(self._credentials)
        base = _override(service) or f"https://{service}.googleapis.com"
        answer = session.request(method, f"{base}/{path}", json=body, timeout=60)
        if answer.status_code >= 300:
            raise make_error(answer)
        return answer.json()

    def _client(self, service: str) -> dict[str, Any]:
        options = {"api_endpoint": override} if (override := _override(service)) else {}
        return {"credentials": self._credentials, "transport": "rest", "client_options": options}


def open_project() -> Project:
    """Returns the project with the credentials that Google's own tools use.

    Raises:
        UsageError: no project is set, or there are no credentials.
        MissingTool: a client of Google's is not installed.
    """
    check_extra("deploying", "gcp", "google.cloud.run_v2")
    import google.auth
    from google.oauth2.credentials import Credentials

    default: Any = google.auth.default  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    with google_errors(), warnings.catch_warnings():
        # The warning that a user account has no quota project, which is set below.
        warnings.simplefilter("ignore", UserWarning)
        credentials, project = default(scopes=[_SCOPE])
    if not project:
        raise UsageError(
            "no Google Cloud project is set: run gcloud config set project ID, or set GOOGLE_CLOUD_PROJECT"
        )
    if isinstance(credentials, Credentials) and not credentials.quota_project_id:
        credentials = credentials.with_quota_project(project)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return Project(project, credentials)


def _override(service: str) -> str | None:
    found = os.environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service.upper()}")
    return found.rstrip("/") if found else None
