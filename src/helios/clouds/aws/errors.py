"""AWS' errors as errors of Helios: one table, one clear line each."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager

from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from helios.errors import DeployError, HeliosError, Throttled, UsageError

_SSO = (UsageError, "the AWS sign-in has expired: run aws sso login")
_EXPIRED = (UsageError, "the AWS credentials have expired: get new ones, for example with aws sso login")
_UNKNOWN_KEY = (UsageError, "AWS does not know this access key: check AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_REGION")
_SIGNATURE = (UsageError, "AWS rejects the signature: check the secret key and this machine's clock")
_CLOCK = (
    UsageError,
    "AWS rejects the request's time: check this machine's clock, and whether credentials have expired",
)
_DENIED = (UsageError, "these AWS credentials may not do {action}: docs/aws.md lists the permissions needed")
_THROTTLED = (Throttled, "AWS throttles {operation}: try again later")
_UNREACHABLE = (DeployError, "AWS can't be reached: {message}")

ERRORS: dict[str | type[Exception], tuple[type[HeliosError], str]] = {
    # Raised before a request is sent.
    aws.NoCredentialsError: (
        UsageError,
        "no AWS credentials found: run aws configure or aws sso login, or set AWS_PROFILE",
    ),
    aws.PartialCredentialsError: (
        UsageError,
        "the AWS credentials are incomplete: set both the key's ID and its secret",
    ),
    aws.ProfileNotFound: (UsageError, "no such AWS profile ({message}): run aws configure list-profiles"),
    aws.NoRegionError: (UsageError, "no AWS region is set: set AWS_REGION, or a region in the profile"),
    aws.InvalidRegionError: (UsageError, "the AWS region is not a valid name: check AWS_REGION"),
    aws.SSOError: _SSO,
    aws.TokenRetrievalError: _SSO,
    aws.CredentialRetrievalError: (UsageError, "the AWS profile's credentials can't be read: {message}"),
    aws.ConfigParseError: (UsageError, "the AWS settings file can't be read: {message}"),
    # Codes of responses (https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html).
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "InvalidClientTokenId": _UNKNOWN_KEY,
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "UnrecognizedClientException": _UNKNOWN_KEY,
    "SignatureDoesNotMatch": _SIGNATURE,
    "InvalidSignatureException": _SIGNATURE,
    "RequestTimeTooSkewed": _CLOCK,
    "RequestExpired": _CLOCK,
    "OptInRequired": (UsageError, "this AWS account is not signed up for that service or region"),
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
    "UnauthorizedOperation": _DENIED,
    "UnauthorizedException": _DENIED,
    "403": _DENIED,
    "Throttling": _THROTTLED,
    "ThrottlingException": _THROTTLED,
    "TooManyRequestsException": _THROTTLED,
    "RequestLimitExceeded": _THROTTLED,
    "SlowDown": _THROTTLED,
    # All others.
    aws.ClientError: (DeployError, "AWS refuses {operation}: {message}"),
    aws.HTTPClientError: _UNREACHABLE,
    aws.ConnectionError: _UNREACHABLE,
    aws.BotoCoreError: (DeployError, "the request to AWS failed: {message}"),
    ResponseParserError: (DeployError, "the response is not from AWS: check AWS_ENDPOINT_URL and any proxy"),
}
"""The error and message for a response's code or, without a row for it, for the nearest class of the exception."""

_ACTION = re.compile(r"not authorized to perform:? ([\w-]+:\w+)(?:.* on resource:? (\S+))?")


@contextmanager
def aws_errors() -> Generator[None]:
    """Raises botocore's errors as errors of Helios.

    Raises:
        UsageError: credentials, region or permissions are missing.
        Throttled: AWS takes no more requests.
        DeployError: AWS is unreachable, or refuses for another reason.
    """
    try:
        yield
    except (aws.ClientError, aws.BotoCoreError, ResponseParserError) as error:
        raise translate(error) from error


def error_code(error: aws.ClientError) -> str:
    """Returns AWS' code for the error, without any detail behind a dot."""
    return str(error.response.get("Error", {}).get("Code", "")).partition(".")[0]


def translate(error: Exception) -> HeliosError:
    """Returns the error of Helios for an error of botocore's."""
    code, message, operation = "", str(error), ""
    if isinstance(error, aws.ClientError):
        code, operation = error_code(error), error.operation_name
        message = str(error.response.get("Error", {}).get("Message", "")) or code
    kind, line = next(ERRORS[key] for key in (code, *type(error).__mro__) if key in ERRORS)
    message = " ".join(message.split())
    return kind(line.format(message=message, operation=operation, action=_denied_action(message, operation)))


def _denied_action(message: str, operation: str) -> str:
    found = _ACTION.search(message)
    if not found:
        return operation
    return f"{found[1]} on {found[2].rstrip('.')}" if found[2] else found[1]
