"""Clients of AWS' services, configured as AWS' own tools are."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from aiobotocore.session import AioSession, get_session

from helios.clouds.aws.errors import aws_errors

# As for botocore's own log: without a handler Python prints warnings that the error repeats.
logging.getLogger("aiobotocore").addHandler(logging.NullHandler())


def new_session() -> AioSession:
    """Returns a session with the standard settings: profiles, SSO, assumed roles, ``AWS_*`` variables.

    botocore reads only AWS_DEFAULT_REGION; here AWS_REGION, which all other SDKs read
    (https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html), takes precedence.
    """
    session = get_session()
    if region := os.environ.get("AWS_REGION"):
        session.set_config_variable("region", region)
    return session


@asynccontextmanager
async def client(session: AioSession, service: str) -> AsyncGenerator[Any]:
    """Opens a client of one service, whose errors are raised as errors of Helios.

    Raises:
        UsageError: credentials, region or permissions are missing.
        Throttled: AWS takes no more requests.
        DeployError: AWS is unreachable, or refuses for another reason.
    """
    with aws_errors():
        async with session.create_client(service) as opened:  # type: ignore[call-overload]
            yield opened
