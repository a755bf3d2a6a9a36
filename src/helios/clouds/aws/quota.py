"""What an account's quotas allow: looked at before the image is built, and where AWS has refused."""

from __future__ import annotations

import re

from aiobotocore.session import AioSession

from helios.clouds.aws.session import client
from helios.clouds.aws.settings import DEFAULTS
from helios.errors import DeployError, HeliosError, UsageError

USUAL = 1000
"""Functions that an account which is not new can have running at the same time."""
_MEMORY = re.compile(
    r"MemorySize' value failed to satisfy constraint: Member must have value less than or equal to (\d+)"
)


async def found(session: AioSession, memory: int) -> str:
    """A line that says what the account allows. It tells no limit of memory: AWS names that when it refuses only."""
    try:
        async with client(session, "lambda") as functions:
            most = (await functions.get_account_settings())["AccountLimit"]["ConcurrentExecutions"]
    except HeliosError as error:
        return f"the account's quotas can't be read ({error}): going on"
    line = f"the account can have {most} functions running at the same time in this region"
    if most >= USUAL:
        return line
    line += f": use --workers {most} at most, or ask for more (Service Quotas, AWS Lambda, Concurrent executions)"
    if memory > int(DEFAULTS["MemorySize"]):
        line += f"; new accounts often can't have more than --memory {DEFAULTS['MemorySize']}"
    return line


def explained(error: DeployError, memory: str) -> HeliosError:
    """The error itself, or one that names the limit of memory if that was why AWS has refused."""
    limit = _MEMORY.search(str(error))
    if not limit:
        return error
    return UsageError(
        f"functions of this account can have {limit[1]} MB of memory at most, and not {memory}: "
        f"use --memory {limit[1]}, or ask AWS Support for more"
    )
