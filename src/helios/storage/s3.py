"""S3 as the user has set AWS up: profiles, SSO, roles, regions and endpoints are read as every AWS tool reads them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from obstore.store import S3Store

from helios.errors import UsageError

_LIFETIME = timedelta(minutes=5)
"""After which credentials are asked for again; whether they are then renewed, their provider knows."""


def named_region() -> str | None:
    """What AWS_REGION says, which botocore alone of AWS's SDKs does not read.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html
    """
    return os.environ.get("AWS_REGION")


def open_s3(url: str) -> S3Store:
    """The S3 store at ``s3://bucket/prefix``. What is put there is checked by its SHA-256.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html

    Raises:
        UsageError: AWS is not set up.
    """
    import botocore.session
    from botocore.exceptions import BotoCoreError

    session: Any = botocore.session.get_session()
    try:
        client: Any = session.create_client("s3", region_name=named_region())
        credentials: Any = session.get_credentials()
    except BotoCoreError as error:
        raise UsageError(f"{url}: {error} (see docs/aws.md)") from None
    if credentials is None:
        raise UsageError(f"{url}: there are no AWS credentials here (aws configure, AWS_PROFILE: see docs/aws.md)")
    endpoint: str = client.meta.endpoint_url

    def provide() -> Any:  # it is also asked where no event loop is: in uploads of many parts
        found: Any = credentials.get_frozen_credentials()
        return {
            "access_key_id": found.access_key,
            "secret_access_key": found.secret_key,
            "token": found.token,
            "expires_at": datetime.now(UTC) + _LIFETIME,
        }

    own: dict[str, Any] = {} if ".amazonaws.com" in endpoint else {"endpoint": endpoint}
    return S3Store.from_url(
        url,
        region=client.meta.region_name,
        checksum_algorithm="SHA256",
        credential_provider=provide,
        client_options={"allow_http": endpoint.startswith("http://")},
        **own,
    )
