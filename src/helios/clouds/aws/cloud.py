"""AWS as a ``Cloud``."""

from __future__ import annotations

from collections.abc import AsyncIterator

from helios import release
from helios.clouds.aws.check import check
from helios.clouds.aws.deploy import deploy
from helios.clouds.aws.deployment import Deployment, deployments, find_deployment
from helios.clouds.aws.destroy import destroy
from helios.clouds.aws.session import new_session
from helios.clouds.aws.settings import Settings
from helios.clouds.cloud import CheckResult
from helios.clouds.events import Confirm, Show
from helios.clouds.image.context import build_context, digest
from helios.clouds.names import default_name


class Aws:
    """The account and region of the standard AWS settings."""

    settings = Settings
    scope = "this account and region"

    def __init__(self) -> None:
        self._session = new_session()

    async def deploy(
        self, settings: Settings, *, confirm: Confirm, show: Show, dry_run: bool = False
    ) -> Deployment | None:
        """Creates or updates the stack, the image and the function."""
        context = b"" if settings.image else build_context()
        return await deploy(
            self._session,
            settings,
            version=release.__version__,
            context=context,
            digest=digest(context) if context else "",
            show=show,
            confirm=confirm,
            dry_run=dry_run,
        )

    async def deployments(self) -> list[Deployment]:
        """Lists the stacks of Helios by name."""
        return await deployments(self._session)

    async def check(self, name: str | None, workers: int) -> AsyncIterator[CheckResult]:
        """Checks the function, the account's concurrency, the bucket and the caller's permissions."""
        deployment = await find_deployment(self._session, release.__version__, name)
        async for result in check(self._session, deployment, workers):
            yield result

    async def destroy(self, name: str | None, *, confirm: Confirm, show: Show) -> None:
        """Removes the bucket's content, the images and the stack."""
        await destroy(self._session, name or default_name(release.__version__), show=show, confirm=confirm)
