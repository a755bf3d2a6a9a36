"""Google's errors as errors of Helios: one table, one clear line each."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cache

from helios.errors import DeployError, HeliosError, Throttled, UsageError

APIS = (
    "run.googleapis.com",
    "cloudbuild.googleapis.com",
    "artifactregistry.googleapis.com",
    "iam.googleapis.com",
    "cloudquotas.googleapis.com",
    "storage.googleapis.com",
)
"""The APIs that a project needs."""
_LOGIN = "run gcloud auth application-default login"
_PERMISSION = re.compile(r"[Pp]ermission '([a-z]\w*(?:\.\w+)+)'|does not have ([a-z]\w*(?:\.\w+)+) access")


@cache
def _errors() -> dict[str | int | type[Exception], tuple[type[HeliosError], str]]:
    """Returns the error and message for a response's reason, else its status, else the nearest exception class.

    Reasons: https://cloud.google.com/apis/design/errors#error_info
    """
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth
    from requests import RequestException

    unreachable = (DeployError, "Google can't be reached: {message}")
    return {
        # Raised before a request is sent.
        auth.DefaultCredentialsError: (
            UsageError,
            f"no Google credentials found: {_LOGIN}, or set GOOGLE_APPLICATION_CREDENTIALS",
        ),
        auth.TransportError: unreachable,
        auth.GoogleAuthError: (UsageError, f"Google does not accept these credentials ({{message}}): {_LOGIN}"),
        # Reasons and statuses of responses.
        "SERVICE_DISABLED": (
            UsageError,
            f"{{service}} is not enabled in this project: run gcloud services enable {' '.join(APIS)}",
        ),
        "BILLING_DISABLED": (
            UsageError,
            "billing is not enabled in this project: run gcloud billing projects link PROJECT --billing-account ID",
        ),
        "PERMISSION_NAMED": (
            UsageError,
            "these Google credentials may not do {permission}: docs/gcp.md lists the roles needed",
        ),
        401: (UsageError, f"Google does not accept these credentials: {_LOGIN}"),
        403: (UsageError, "Google refuses: {message} (docs/gcp.md lists the roles needed)"),
        429: (Throttled, "Google throttles requests: try again later ({message})"),
        # All others.
        api.GoogleAPICallError: (DeployError, "Google refuses: {message}"),
        api.GoogleAPIError: unreachable,
        RequestException: unreachable,
        TimeoutError: unreachable,
    }


@contextmanager
def google_errors() -> Generator[None]:
    """Raises the errors of Google's libraries as errors of Helios.

    Raises:
        UsageError: credentials or permissions are missing, or an API is not enabled.
        Throttled: Google takes no more requests.
        DeployError: Google is unreachable, or refuses for another reason.
    """
    classes = tuple(key for key in _errors() if isinstance(key, type))
    try:
        yield
    except classes as error:
        raise translate(error) from error


def translate(error: Exception) -> HeliosError:
    """Returns the error of Helios for an error of Google's libraries."""
    message = " ".join(str(error).split())[:400]
    about: Mapping[str, str] = getattr(error, "metadata", None) or {}
    permission = _denied_permission(message, about)
    keys = (_reason(error, message, permission), getattr(error, "code", None), *type(error).__mro__)
    kind, line = next(_errors()[key] for key in keys if key in _errors())
    return kind(line.format(message=message, permission=permission, service=about.get("service", "an API")))


def _reason(error: Exception, message: str, permission: str) -> str:
    if "has not been used in project" in message:
        return "SERVICE_DISABLED"
    reason: str = getattr(error, "reason", None) or ""
    if reason not in _errors() and permission and getattr(error, "code", None) == 403:
        return "PERMISSION_NAMED"
    return reason


def _denied_permission(message: str, about: Mapping[str, str]) -> str:
    found = _PERMISSION.search(message)
    permission = about.get("permission") or (found and (found[1] or found[2])) or ""
    return (
        f"{permission} on {about['resource'].removeprefix('//')}" if permission and "resource" in about else permission
    )
