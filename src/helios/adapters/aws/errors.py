"""Errors of AWS Lambda, botocore and aiohttp, as errors of Helios."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from helios.errors import (
    AccessDenied,
    HeliosError,
    OutOfMemory,
    OutputError,
    Throttled,
    WorkerError,
    WorkerLost,
    WorkerRefused,
    WorkerTimeout,
)

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_LAST_LINES = 12
_MORE_TIME = "give chunks fewer frames (--chunk-frames), or the function more time (helios deploy aws --timeout)"
_MORE_DISK = "give the function more room in /tmp (helios deploy aws --disk)"
_DISK_IS_FULL = re.compile(r"the disk is full: .*|.*No space left on device")
"""What Helios' own commands say then, and others'."""
_THROTTLED = {"TooManyRequestsException", "ThrottlingException", "EC2ThrottledException", "RequestLimitExceeded"}
_DENIED = {
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
}
_MISSING = {"ResourceNotFoundException"}
"""Codes of errors. Source: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors"""


@contextmanager
def aws_errors(function: str, size: int) -> Generator[None]:
    """Raises errors of botocore and aiohttp as errors of Helios. ``size``: bytes of the message to ``function``.

    Raises:
        Throttled: too many invocations are under way.
        WorkerLost: the request or its response broke off, or Lambda could not run the function.
        AccessDenied: credentials or rights are missing.
        WorkerRefused: there is no such function, or the message is too large for it.
        WorkerError: AWS refuses for another reason, or is set up wrongly here.
    """
    from botocore.exceptions import ClientError

    table = _table(function)
    try:
        yield
    except ClientError as error:
        raise _refusal(error, function, size) from error
    except tuple(foreign for foreign, _, _ in table) as error:
        kind, message = next((kind, message) for foreign, kind, message in table if isinstance(error, foreign))
        raise kind(message.format(str(error) or type(error).__name__)) from error


def _table(function: str) -> tuple[tuple[type[Exception], type[HeliosError], str], ...]:
    """Errors of botocore and aiohttp (special ones first), the error of Helios for each, and its message."""
    from aiohttp import ClientError as HttpError
    from botocore import exceptions as aws
    from botocore.parsers import ResponseParserError

    denied = f"{function} can't be invoked: {{}} (aws configure, aws sso login)"
    lost = f"the connection to {function} is broken: {{}}"
    return (
        (aws.NoCredentialsError, AccessDenied, denied),
        (aws.PartialCredentialsError, AccessDenied, denied),
        (aws.CredentialRetrievalError, AccessDenied, denied),
        (aws.TokenRetrievalError, AccessDenied, denied),
        (aws.NoAuthTokenError, AccessDenied, denied),
        (aws.SSOError, AccessDenied, denied),
        (aws.HTTPClientError, WorkerLost, lost),
        (aws.ConnectionError, WorkerLost, lost),
        (aws.IncompleteReadError, WorkerLost, lost),
        (aws.MetadataRetrievalError, WorkerLost, lost),
        (ResponseParserError, WorkerLost, lost),
        (HttpError, WorkerLost, lost),
        (OSError, WorkerLost, lost),  # TimeoutError is one
        (aws.BotoCoreError, WorkerError, f"{function} can't be invoked: {{}}"),
    )


def _refusal(error: ClientError, function: str, size: int) -> HeliosError:
    """The error for an invocation that AWS refuses."""
    answer: dict[str, Any] = error.response  # pyright: ignore[reportAssignmentType]
    code: str = answer.get("Error", {}).get("Code", "")
    message: str = answer.get("Error", {}).get("Message", "") or code
    status: int = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status == 429 or code in _THROTTLED:
        return Throttled(f"{function} runs no more invocations in parallel: {message}")
    if status == 413:
        return WorkerRefused(f"a job's message of {size} bytes is too large for {function}: shorten props")
    if code in _MISSING:
        return WorkerRefused(f"there is no function {function} in {_region(error)}: helios deploy aws")
    if code in _DENIED or status in (401, 403):
        return AccessDenied(f"{function} may not be invoked: {message} (the permission is lambda:InvokeFunction)")
    if status >= 500 or code in ("ResourceConflictException", "ResourceNotReadyException"):
        return WorkerLost(f"Lambda could not run {function}: {message}")
    return WorkerError(f"{function} can't be invoked: {code}: {message}")


def advised(error: HeliosError) -> HeliosError:
    """An error of a worker's own, with what can be done about it."""
    if isinstance(error, WorkerTimeout):
        return WorkerTimeout(f"{error}: {_MORE_TIME}")
    return OutputError(f"{error}: {_MORE_DISK}") if isinstance(error, OutputError) else error


def full_disk(message: str) -> OutputError | None:
    """The error for a command that failed because the function's disk is full; None if ``message`` has no such line."""
    found = _DISK_IS_FULL.search(message)
    return OutputError(f"{found[0].strip()}: {_MORE_DISK}") if found else None


def failure_of_function(body: bytes, log: str, function: str) -> HeliosError:
    """The error for an invocation that failed without a response."""
    try:
        found: dict[str, Any] = json.loads(body)
    except ValueError:
        found = {}
    message = str(found.get("errorMessage") or body.decode("utf-8", "replace"))
    kind = str(found.get("errorType") or "")
    if (cut := re.search(r"Task timed out after ([\d.]+) seconds", message)) or kind == "Sandbox.Timedout":
        after = f" after {float(cut[1]):g} s" if cut else ""
        return WorkerTimeout(f"{function} was cut off{after}: {_MORE_TIME}")
    report = Report(log)
    if kind == "Runtime.OutOfMemory" or ("signal: killed" in message and report.is_full):
        return report.out_of_memory(function)
    if kind in ("Runtime.ExitError", "Extension.Crash") or "signal: " in message or "Runtime exited" in message:
        return WorkerLost(f"{function} exited without a response: {message}{_tail(log)}")
    trace = "".join(f"\n  {line.rstrip()}" for line in found.get("stackTrace") or ())
    return WorkerError(f"{function} failed: {kind}: {message}{trace}{_tail(log)}")


class Report:
    """The last line of an invocation's log.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
    """

    _NEARLY = 0.95
    """The part of a function's memory that is in use when the kernel kills a process for lack of memory."""

    def __init__(self, log: str) -> None:
        def number(pattern: str) -> float | None:
            found = re.search(pattern, log)
            return float(found[1]) if found else None

        billed = number(r"Billed Duration: ([\d.]+) ms")
        self.billed_s = billed and billed / 1000
        self.memory_mb = number(r"Memory Size: (\d+) MB")
        self.used_mb = number(r"Max Memory Used: (\d+) MB")

    @property
    def is_full(self) -> bool:
        """Whether it has used nearly all of its memory."""
        return bool(self.memory_mb and self.used_mb and self.used_mb >= self._NEARLY * self.memory_mb)

    def out_of_memory(self, function: str) -> OutOfMemory:
        """The error for a function without enough memory."""
        size = f"{self.memory_mb:.0f} MB" if self.memory_mb else "memory"
        return OutOfMemory(f"{function} needs more than its {size}: helios deploy aws --memory")


def _tail(log: str) -> str:
    lines = log.strip().splitlines()[-_LAST_LINES:]
    return "; its log ends with:\n  " + "\n  ".join(lines) if lines else ""


def _region(error: Any) -> str:
    found = re.search(r"arn:aws[\w-]*:lambda:([\w-]+):", str(error))
    return found[1] if found else "this region"
