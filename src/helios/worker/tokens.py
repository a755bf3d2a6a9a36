"""Checks who may send jobs to a worker: accounts with an ID token that Google has signed."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Collection, Mapping
from typing import Any

from helios.errors import AccessDenied, UsageError, WorkerError, WorkerLost

CERTIFICATES = "https://www.googleapis.com/oauth2/v1/certs"
"""Where Google publishes the certificates of its signatures.
Source: https://developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken"""

_ISSUERS = ("accounts.google.com", "https://accounts.google.com")
_CACHED = 3600.0
_AGAIN = 60.0
"""Seconds after which certificates are asked for again because a token names one that is not there."""
_SKEW = 10


class UnknownCaller(WorkerError):
    """A caller has no valid token."""

    code = "unknown-caller"


class TokenVerifier:
    """Lets in ``accounts`` (e-mail addresses) that show an ID token for ``audience``.

    An audience alone would let in everybody: any account of Google's gets tokens for any audience.
    """

    def __init__(self, audience: str, accounts: Collection[str], *, certificates: str = CERTIFICATES) -> None:
        self._audience = audience
        self._accounts = frozenset(account.lower() for account in accounts)
        self._url = certificates
        self._known: Mapping[str, Any] = {}
        self._asked = float("-inf")
        self._asking = asyncio.Lock()

    async def check(self, authorization: str) -> str:
        """The account whose token the header ``Authorization`` holds.

        Raises:
            UnknownCaller: there is no token, or it does not hold: foreign, expired, for another audience.
            AccessDenied: the account may not send jobs.
            WorkerLost: Google's certificates can't be had.
        """
        from google.auth import exceptions, jwt

        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise UnknownCaller("there is no ID token: Authorization: Bearer TOKEN")
        try:
            key = str(jwt.decode_header(token.strip()).get("kid"))
        except ValueError:
            raise UnknownCaller("this is no ID token") from None
        certificates = await self._certificates(key)
        try:
            claims: Mapping[str, Any] = jwt.decode(
                token.strip(), certs=certificates, audience=self._audience, clock_skew_in_seconds=_SKEW
            )
        except (ValueError, exceptions.GoogleAuthError):
            raise UnknownCaller(
                f"the ID token does not hold: it must be Google's, of now, and for {self._audience}"
            ) from None
        if claims.get("iss") not in _ISSUERS:
            raise UnknownCaller("the ID token is not Google's")
        account = str(claims.get("email", "")).lower()
        if not claims.get("email_verified") or account not in self._accounts:
            raise AccessDenied(f"{account or 'an account without an address'} may not send jobs to this worker")
        return account

    async def _certificates(self, key: str) -> Mapping[str, Any]:
        async with self._asking:
            age = time.monotonic() - self._asked
            if age > _CACHED or (key not in self._known and age > _AGAIN):
                self._known = await asyncio.to_thread(_fetch, self._url)
                self._asked = time.monotonic()
        return self._known


def local_verifier() -> TokenVerifier | None:
    """The verifier for ``HELIOS_CALLERS`` (accounts, with commas) and ``HELIOS_AUDIENCE``; None if neither is set.

    Raises:
        UsageError: only one of them is set.
    """
    audience = os.environ.get("HELIOS_AUDIENCE", "")
    accounts = [account.strip() for account in os.environ.get("HELIOS_CALLERS", "").split(",") if account.strip()]
    if not audience and not accounts:
        return None
    if not audience or not accounts:
        raise UsageError("HELIOS_AUDIENCE (the service's address) and HELIOS_CALLERS (accounts) go together")
    return TokenVerifier(audience, accounts, certificates=os.environ.get("HELIOS_CERTIFICATES", CERTIFICATES))


def _fetch(url: str) -> Mapping[str, Any]:
    from google.auth import exceptions
    from google.auth.transport.requests import Request

    try:
        answer: Any = Request()(url, method="GET", timeout=20)
        if answer.status != 200:
            raise WorkerLost(f"Google's certificates can't be had: {url} answers with {answer.status}")
        return json.loads(answer.data)
    except (exceptions.TransportError, ValueError) as error:
        raise WorkerLost(f"Google's certificates can't be had: {str(error)[:200]}") from error
