"""A Google Cloud project, and the official clients of its services."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from helios.errors import DeployError, HeliosError, UsageError

APIS = (
    "run.googleapis.com",
    "cloudbuild.googleapis.com",
    "artifactregistry.googleapis.com",
    "iam.googleapis.com",
    "storage.googleapis.com",
)
"""What has to be switched on in a project."""
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class Project:
    """A project with ``id``. Its clients speak REST, and block; gcloud's own settings lead them to other endpoints:
    ``CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN`` and so on (https://cloud.google.com/sdk/gcloud/reference/topic/configurations).
    """

    def __init__(self, project: str, credentials: Any) -> None:
        self.id = project
        self._credentials = credentials

    @cached_property
    def services(self) -> Any:
        """Cloud Run's."""
        from google.cloud import run_v2

        return run_v2.ServicesClient(**self._client("run"))

    @cached_property
    def builds(self) -> Any:
        """Cloud Build's."""
        from google.cloud.devtools import cloudbuild_v1

        return cloudbuild_v1.CloudBuildClient(**self._client("cloudbuild"))

    @cached_property
    def repositories(self) -> Any:
        """Artifact Registry's."""
        from google.cloud import artifactregistry_v1

        return artifactregistry_v1.ArtifactRegistryClient(**self._client("artifactregistry"))

    @cached_property
    def storage(self) -> Any:
        """Cloud Storage's."""
        from google.cloud import storage  # pyright: ignore[reportMissingTypeStubs]

        return storage.Client(project=self.id, credentials=self._credentials)

    def iam(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Asks IAM, for whose accounts there is no client that speaks REST. ``path`` is below the project."""
        from google.api_core import exceptions
        from google.auth.transport.requests import AuthorizedSession

        of_answer: Any = exceptions.from_http_response  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        session: Any = AuthorizedSession(self._credentials)
        base = _override("iam") or "https://iam.googleapis.com"
        answer = session.request(method, f"{base}/v1/projects/{self.id}/{path}", json=body, timeout=60)
        if answer.status_code >= 300:
            raise of_answer(answer)
        return answer.json()

    def _client(self, service: str) -> dict[str, Any]:
        options = {"api_endpoint": override} if (override := _override(service)) else {}
        return {"credentials": self._credentials, "transport": "rest", "client_options": options}


def open_project() -> Project:
    """The project and credentials that all of Google's tools use here.

    Raises:
        UsageError: there are none.
    """
    import google.auth

    default: Any = google.auth.default  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    with told():
        credentials, project = default(scopes=[_SCOPE])
    if not project:
        raise UsageError("no Google Cloud project is chosen: gcloud config set project ID, or GOOGLE_CLOUD_PROJECT")
    return Project(project, credentials)


@contextmanager
def told() -> Generator[None]:
    """Raises what Google's libraries raise inside of it as an error of Helios.

    Raises:
        UsageError: credentials or rights are missing, or an API is off.
        DeployError: Google can't be reached, or refuses for another reason.
    """
    from google.api_core import exceptions as answers
    from google.auth import exceptions as auth
    from requests import RequestException

    try:
        yield
    except auth.TransportError as error:
        raise DeployError(f"Google can't be reached: {_said(error)}") from error
    except auth.GoogleAuthError as error:
        raise UsageError(f"{_said(error)}: gcloud auth application-default login") from error
    except answers.GoogleAPICallError as error:
        raise _of_answer(error) from error
    except (answers.GoogleAPIError, RequestException) as error:
        raise DeployError(f"Google can't be reached: {_said(error)}") from error


def _of_answer(error: Any) -> HeliosError:
    said = _said(error)
    if error.code in (401, 403):
        if any(word in said for word in ("SERVICE_DISABLED", "has not been used in project", "is disabled")):
            return UsageError(f"an API is off in this project: gcloud services enable {' '.join(APIS)} ({said})")
        return UsageError(f"Google refuses: {said} (docs/gcp.md has the roles)")
    return DeployError(f"Google refuses: {said}")


def _override(service: str) -> str | None:
    found = os.environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service.upper()}")
    return found.rstrip("/") if found else None


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:400]
