"""AWS' own errors as Helios' errors: one clear line each, with the next step."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager

from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from helios.errors import DeployError, HeliosError, Throttled, UsageError

_LOCAL: tuple[tuple[type[Exception], str], ...] = (
    (aws.NoCredentialsError, "there are no AWS credentials: run aws configure or aws sso login, or set AWS_PROFILE"),
    (aws.PartialCredentialsError, "the AWS credentials are not whole: both the key's id and its secret are needed"),
    (aws.ProfileNotFound, "there is no such AWS profile: aws configure list-profiles shows those that there are"),
    (aws.NoRegionError, "no AWS region is chosen: set AWS_REGION, or a region for the profile"),
    (aws.SSOError, "the AWS sign-in has expired: run aws sso login"),
    (aws.TokenRetrievalError, "the AWS sign-in has expired: run aws sso login"),
    (aws.CredentialRetrievalError, "the AWS credentials can't be had from where the profile says they are"),
    (aws.ConfigParseError, "the AWS settings file can't be read"),
    (aws.InvalidRegionError, "the AWS region has no valid name: look at AWS_REGION"),
)
"""What goes wrong before a request is sent, the more special kinds first."""

_ANSWERS = {
    "ExpiredToken": "the AWS credentials have expired: get new ones, by aws sso login for instance",
    "ExpiredTokenException": "the AWS credentials have expired: get new ones, by aws sso login for instance",
    "InvalidClientTokenId": "AWS knows no such access key: look at AWS_PROFILE and AWS_ACCESS_KEY_ID",
    "InvalidAccessKeyId": "AWS knows no such access key: look at AWS_PROFILE and AWS_ACCESS_KEY_ID",
    "UnrecognizedClientException": "AWS knows no such access key here: look at AWS_PROFILE, and at AWS_REGION",
    "SignatureDoesNotMatch": "AWS refuses the signature: the secret key is wrong, or this machine's clock",
    "InvalidSignatureException": "AWS refuses the signature: the secret key is wrong, or this machine's clock",
    "RequestTimeTooSkewed": "AWS refuses the request: this machine's clock is off",
    "RequestExpired": "AWS refuses the request: this machine's clock is off, or the credentials have expired",
    "OptInRequired": "this AWS account may not use that service, or that region, yet",
}
"""What an error that AWS answers with means, by its code
(https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html)."""

_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedException", "403")
_BUSY = ("Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown")
_ACTION = re.compile(r"not authorized to perform:? ([\w-]+:\w+)(?:.* on resource:? (\S+))?")


@contextmanager
def told() -> Generator[None]:
    """Raises what botocore raises inside of it as an error of Helios.

    Raises:
        UsageError: credentials, region or rights are missing.
        Throttled: AWS takes no more requests just now.
        DeployError: AWS can't be reached, or refuses for another reason.
    """
    try:
        yield
    except aws.ClientError as error:
        raise of_answer(error) from error
    except ResponseParserError as error:
        raise DeployError("what answers is not AWS: look at AWS_ENDPOINT_URL, and at any proxy") from error
    except aws.BotoCoreError as error:
        raise _of_this_side(error) from error


def error_code(error: aws.ClientError) -> str:
    """The code that AWS gives the error, without any detail behind a dot."""
    return str(error.response.get("Error", {}).get("Code", "")).partition(".")[0]


def of_answer(error: aws.ClientError) -> HeliosError:
    """The error of Helios for one that AWS has answered with."""
    code = error_code(error)
    message = " ".join(str(error.response.get("Error", {}).get("Message", "")).split())
    if code in _ANSWERS:
        return UsageError(_ANSWERS[code])
    if code in _DENIED:
        found = _ACTION.search(message)
        action = found[1] if found else f"the request {error.operation_name}"
        where = f" on {found[2].rstrip('.')}" if found and found[2] else ""
        return UsageError(f"these AWS credentials may not do {action}{where}: docs/aws.md lists the rights it needs")
    if code in _BUSY:
        return Throttled(f"AWS takes no more requests just now ({error.operation_name}): try again later")
    return DeployError(f"AWS refuses {error.operation_name}: {message or code}")


def _of_this_side(error: aws.BotoCoreError) -> HeliosError:
    for kind, line in _LOCAL:
        if isinstance(error, kind):
            return UsageError(line)
    message = " ".join(str(error).split())
    if isinstance(error, aws.HTTPClientError | aws.ConnectionError):
        return DeployError(f"AWS can't be reached: {message}")
    return DeployError(f"AWS can't be asked: {message}")
