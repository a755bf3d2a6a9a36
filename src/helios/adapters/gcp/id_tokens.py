"""Google ID tokens for calling a service, from the credentials that Google's tools find on this machine."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from helios.errors import AccessDenied, WorkerLost

_EARLY = timedelta(minutes=5)
"""How long before its end a token is replaced."""
_HINT = "gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS (see docs/gcp.md)"


class IdTokens:
    """Tokens for ``audience``, each cached until shortly before it expires. Blocking calls run in threads.

    A user's own credentials can't name an audience: their tokens are gcloud's own, which Cloud Run's IAM takes, and a
    worker that looks at tokens itself does not.
    """

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials
        self._token = ""
        self._until = datetime.fromtimestamp(0, UTC)
        self._renewing = asyncio.Lock()

    @classmethod
    async def here(cls, audience: str) -> IdTokens:
        """Of a service account's key, an impersonated account, the metadata server or gcloud's own credentials.

        Raises:
            AccessDenied: there are none.
        """
        return cls(await asyncio.to_thread(_find, audience))

    async def token(self, *, fresh: bool = False) -> str:
        """A token that holds for a while; a ``fresh`` one was not given before.

        Raises:
            AccessDenied: the credentials don't hold.
            WorkerLost: no token server answered.
        """
        before = self._token
        async with self._renewing:
            given_meanwhile = self._token != before
            if datetime.now(UTC) > self._until - _EARLY or (fresh and not given_meanwhile):
                self._token, self._until = await asyncio.to_thread(_renew, self._credentials)
        return self._token


def _find(audience: str) -> Any:
    import google.auth
    from google.auth import exceptions, impersonated_credentials
    from google.oauth2 import credentials, id_token

    try:
        default: Any = google.auth.default  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        found: Any = default(scopes=["https://www.googleapis.com/auth/cloud-platform"])[0]
    except exceptions.DefaultCredentialsError:
        raise AccessDenied(f"there are no Google credentials here: {_HINT}") from None
    if isinstance(found, impersonated_credentials.Credentials):
        return impersonated_credentials.IDTokenCredentials(found, audience, include_email=True)
    if isinstance(found, credentials.Credentials):
        return found  # pyright: ignore[reportUnknownVariableType]
    try:
        return id_token.fetch_id_token_credentials(audience)
    except exceptions.DefaultCredentialsError:
        kind: str = type(found).__module__.rpartition(".")[2]
        raise AccessDenied(f"credentials of this kind ({kind}) give no ID tokens: {_HINT}") from None


def _renew(credentials: Any) -> tuple[str, datetime]:
    from google.auth import exceptions
    from google.auth.transport.requests import Request

    request: Any = Request()
    try:
        credentials.refresh(request)
    except exceptions.RefreshError as error:
        raise AccessDenied(f"Google gives no ID token: {str(error.args[0])[:200]}: {_HINT}") from error
    except exceptions.GoogleAuthError as error:
        raise WorkerLost(f"Google can't be asked for an ID token: {str(error)[:200]}") from error
    token: str | None = credentials.id_token if hasattr(credentials, "id_token") else credentials.token
    if not token:
        raise AccessDenied(f"these Google credentials give no ID token: {_HINT}")
    return token, credentials.expiry.replace(tzinfo=UTC)
