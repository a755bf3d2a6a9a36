"""A Google Cloud project, and the official clients of its services."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from helios.errors import DeployError, HeliosError, Throttled, UsageError
from helios.extras import check_extra

APIS = (
    "run.googleapis.com",
    "cloudbuild.googleapis.com",
    "artifactregistry.googleapis.com",
    "iam.googleapis.com",
    "cloudquotas.googleapis.com",
    "storage.googleapis.com",
)
"""What has to be switched on in a project."""
_LOGIN = "run gcloud auth application-default login"
_PERMISSION = re.compile(r"[Pp]ermission '([a-z]\w*(?:\.\w+)+)'|does not have ([a-z]\w*(?:\.\w+)+) access")
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
        return self._ask("iam", method, f"v1/projects/{self.id}/{path}", body)

    def quota(self, name: str) -> dict[str, Any]:
        """What Cloud Quotas says of a quota of Cloud Run's."""
        path = f"v1/projects/{self.id}/locations/global/services/run.googleapis.com/quotaInfos/{name}"
        return self._ask("cloudquotas", "GET", path)

    def _ask(self, service: str, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        from google.api_core import exceptions
        from google.auth.transport.requests import AuthorizedSession

        of_answer: Any = exceptions.from_http_response  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        session: Any = AuthorizedSession(self._credentials)
        base = _override(service) or f"https://{service}.googleapis.com"
        answer = session.request(method, f"{base}/{path}", json=body, timeout=60)
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
        MissingTool: Google's clients are not all here.
    """
    check_extra("deploying", "gcp", "google.cloud.run_v2")
    import google.auth
    from google.oauth2.credentials import Credentials

    default: Any = google.auth.default  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    with told(), warnings.catch_warnings():
        # That an account of one's own names no project to be counted for: it is named below.
        warnings.simplefilter("ignore", UserWarning)
        credentials, project = default(scopes=[_SCOPE])
    if not project:
        raise UsageError("no Google Cloud project is chosen: gcloud config set project ID, or GOOGLE_CLOUD_PROJECT")
    if isinstance(credentials, Credentials) and not credentials.quota_project_id:
        credentials = credentials.with_quota_project(project)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return Project(project, credentials)


@contextmanager
def told() -> Generator[None]:
    """Raises what Google's libraries raise inside of it as an error of Helios.

    Raises:
        UsageError: credentials or rights are missing, or an API is off.
        Throttled: Google takes no more requests just now.
        DeployError: Google can't be reached, or refuses for another reason.
    """
    from google.api_core import exceptions as answers
    from google.auth import exceptions as auth
    from requests import RequestException

    try:
        yield
    except auth.TransportError as error:
        raise DeployError(f"Google can't be reached: {_error_text(error)}") from error
    except auth.DefaultCredentialsError as error:
        raise UsageError(f"there are no Google credentials: {_LOGIN}, or set GOOGLE_APPLICATION_CREDENTIALS") from error
    except auth.GoogleAuthError as error:
        raise UsageError(f"these Google credentials don't hold ({_error_text(error)}): {_LOGIN}") from error
    except answers.GoogleAPICallError as error:
        raise _of_answer(error) from error
    except (answers.GoogleAPIError, RequestException, TimeoutError) as error:
        raise DeployError(f"Google can't be reached: {_error_text(error)}") from error


def _of_answer(error: Any) -> HeliosError:
    """The error for what Google has answered. Its reasons: https://cloud.google.com/apis/design/errors#error_info"""
    message = _error_text(error)
    about: Mapping[str, str] = error.metadata or {}
    if error.reason == "SERVICE_DISABLED" or "has not been used in project" in message:
        api = about.get("service", "an API")
        return UsageError(f"{api} is off in this project: gcloud services enable {' '.join(APIS)}")
    if error.reason == "BILLING_DISABLED":
        return UsageError("billing is off in this project: gcloud billing projects link PROJECT --billing-account ID")
    if error.code == 401:
        return UsageError(f"Google does not take these credentials: {_LOGIN}")
    if error.code == 403:
        found = _PERMISSION.search(message)
        permission = about.get("permission") or (found and (found[1] or found[2]))
        if permission:
            where = f" on {about['resource'].removeprefix('//')}" if "resource" in about else ""
            return UsageError(f"these Google credentials may not do {permission}{where}: docs/gcp.md has the roles")
        return UsageError(f"Google refuses: {message} (docs/gcp.md has the roles)")
    if error.code == 429:
        return Throttled(f"Google takes no more requests just now: try again later ({message})")
    return DeployError(f"Google refuses: {message}")


def _override(service: str) -> str | None:
    found = os.environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service.upper()}")
    return found.rstrip("/") if found else None


def _error_text(error: Exception) -> str:
    return " ".join(str(error).split())[:400]
