"""The account's quotas: read before the image is built, and from AWS' refusal."""

from __future__ import annotations

import re

from aiobotocore.session import AioSession

from helios.clouds.aws.session import client
from helios.clouds.aws.settings import DEFAULTS
from helios.errors import DeployError, HeliosError, UsageError

DEFAULT_CONCURRENCY = 1000
"""Concurrent executions of an account that is no longer new."""
_MEMORY = re.compile(
    r"MemorySize' value failed to satisfy constraint: Member must have value less than or equal to (\d+)"
)


async def describe_quota(session: AioSession, memory: int) -> str:
    """Returns a line about the account's concurrency. AWS names its limit of memory only when it refuses."""
    try:
        async with client(session, "lambda") as functions:
            limit = (await functions.get_account_settings())["AccountLimit"]["ConcurrentExecutions"]
    except HeliosError as error:
        return f"the account's quotas can't be read ({error}): continuing"
    line = f"the account allows {limit} concurrent executions in this region"
    if limit >= DEFAULT_CONCURRENCY:
        return line
    line += f": use --workers {limit} or less, or request more (Service Quotas, AWS Lambda, Concurrent executions)"
    if memory > int(DEFAULTS["MemorySize"]):
        line += f"; new accounts often allow no more than --memory {DEFAULTS['MemorySize']}"
    return line


def explain_refusal(error: DeployError, memory: str) -> HeliosError:
    """Returns the error, or one with the account's limit of memory if AWS refused because of that."""
    limit = _MEMORY.search(str(error))
    if not limit:
        return error
    return UsageError(
        f"this account allows functions at most {limit[1]} MB of memory, not {memory}: "
        f"use --memory {limit[1]}, or ask AWS Support for more"
    )
