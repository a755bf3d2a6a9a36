"""Clients of AWS' services, set up as AWS' own tools are."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from aiobotocore.session import AioSession, get_session

from helios.clouds.aws.failures import told

# As botocore's own log: without a handler Python prints its warnings, which the error says again.
logging.getLogger("aiobotocore").addHandler(logging.NullHandler())


def new_session() -> AioSession:
    """A session by the standard settings: profiles, SSO, assumed roles, ``AWS_*`` variables.

    botocore reads AWS_DEFAULT_REGION only; AWS_REGION, which all other SDKs read
    (https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html), comes before it.
    """
    session = get_session()
    if region := os.environ.get("AWS_REGION"):
        session.set_config_variable("region", region)
    return session


@asynccontextmanager
async def client(session: AioSession, service: str) -> AsyncGenerator[Any]:
    """A client of one service; what goes wrong with it is told as an error of Helios.

    Raises:
        UsageError: credentials, region or rights are missing.
        Throttled: AWS takes no more requests just now.
        DeployError: AWS can't be reached, or refuses for another reason.
    """
    with told():
        async with session.create_client(service) as made:  # type: ignore[call-overload]
            yield made
