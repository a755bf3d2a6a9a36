"""Google Cloud as a ``Cloud``. Google's clients block, so they run in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from typing import TypeVar

from helios import release
from helios.clouds.cloud import CheckResult
from helios.clouds.events import Confirm, Show
from helios.clouds.gcp.check import check
from helios.clouds.gcp.deploy import deploy, resolve
from helios.clouds.gcp.deployment import Deployment, deployments, find_deployment
from helios.clouds.gcp.destroy import destroy
from helios.clouds.gcp.errors import google_errors
from helios.clouds.gcp.project import open_project
from helios.clouds.gcp.service import knative
from helios.clouds.gcp.settings import Settings
from helios.clouds.image.context import build_context, digest
from helios.clouds.names import default_name
from helios.threads import in_daemon

A = TypeVar("A")
R = TypeVar("R")
T = TypeVar("T")


class GoogleCloud:
    """The project and credentials of Google's own tools."""

    settings = Settings
    scope = "this project"

    async def deploy(
        self, settings: Settings, *, confirm: Confirm, show: Show, dry_run: bool = False
    ) -> Deployment | None:
        """Creates or updates the bucket, the accounts, the image and the service. No change loses data."""
        context, name = _context(settings)

        def work(show: Show, _confirm: Confirm) -> Deployment | None:
            return deploy(
                open_project(),
                settings,
                version=release.__version__,
                context=context,
                digest=name,
                show=show,
                dry_run=dry_run,
            )

        return await _in_thread(work, show, confirm)

    async def deployments(self) -> list[Deployment]:
        """Lists the project's deployments by name."""
        return await in_daemon(lambda: deployments(open_project()))

    async def check(self, name: str | None, workers: int) -> AsyncIterator[CheckResult]:
        """Checks the service, the project's quota, the bucket, and the caller's and others' permissions."""
        project = await in_daemon(open_project)
        deployment = await in_daemon(find_deployment, project, release.__version__, name)
        results = check(project, deployment, workers)
        while (result := await in_daemon(next, results, None)) is not None:
            yield result

    async def destroy(self, name: str | None, *, confirm: Confirm, show: Show) -> None:
        """Removes the service, the images, the accounts and the bucket."""

        def work(show: Show, confirm: Confirm) -> None:
            destroy(open_project(), name or default_name(release.__version__), show=show, confirm=confirm)

        await _in_thread(work, show, confirm)

    async def knative(self, settings: Settings, *, show: Show) -> str:
        """Returns the service that ``deploy`` would create as YAML, for ``gcloud run services replace``."""

        def work(show: Show, _confirm: Confirm) -> str:
            with google_errors():
                name = _context(settings)[1]
                desired = resolve(open_project(), settings, version=release.__version__, digest=name, show=show)
            return knative(desired.names, desired.numbers, desired.image, desired.version, desired.commands)

        return await _in_thread(work, show, lambda _line: False)


def _context(settings: Settings) -> tuple[bytes, str]:
    """Returns the image's context and its digest; both are empty for an image of the caller's own."""
    context = b"" if settings.image else build_context()
    return context, digest(context) if context else ""


async def _in_thread(work: Callable[[Show, Confirm], T], show: Show, confirm: Confirm) -> T:
    """Runs ``work`` in a thread and its callbacks in this loop. After a cancellation its next callback ends it."""
    loop, cancelled = asyncio.get_running_loop(), False

    def in_this_loop(function: Callable[[A], R]) -> Callable[[A], R]:
        def call(argument: A) -> R:
            returned: Future[R] = Future()

            def in_loop() -> None:
                if cancelled:
                    returned.cancel()
                    return
                try:
                    returned.set_result(function(argument))
                except BaseException as error:  # noqa: BLE001 - the thread raises it, and then the caller of this
                    returned.set_exception(error)

            loop.call_soon_threadsafe(in_loop)
            return returned.result()

        return call

    try:
        return await in_daemon(work, in_this_loop(show), in_this_loop(confirm))
    finally:
        cancelled = True
