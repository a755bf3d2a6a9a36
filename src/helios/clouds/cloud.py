"""What ``helios deploy`` needs of a cloud."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from helios.clouds.events import Confirm, Show
from helios.errors import UsageError
from helios.extras import check_extra

S = TypeVar("S")


class Deployment(Protocol):
    """Helios in a cloud: a frozen dataclass, to which each cloud adds fields of its own.

    ``worker`` is the function's name or the service's URL, empty until it exists; ``size`` describes it for people;
    ``store`` is the artifact store's URL; ``state`` is the cloud's own term.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def worker(self) -> str: ...
    @property
    def size(self) -> str: ...
    @property
    def store(self) -> str: ...


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check: ``ok`` is None if it could not run, and ``fix`` says what to do if it failed."""

    name: str
    ok: bool | None
    detail: str
    fix: str = ""


def check_minimum(name: str, value: int, minimum: int, unit: str, fix: str) -> CheckResult:
    """The check that ``value`` is at least ``minimum``."""
    if value >= minimum:
        return CheckResult(name, True, f"{value} {unit}")
    return CheckResult(name, False, f"{value} {unit}, at least {minimum} needed", fix)


class Cloud(Protocol[S]):
    """One account or project of a cloud. Without a ``name``, a call means the deployment of this version of Helios.

    Every call raises UsageError for missing credentials or permissions, Throttled when the cloud takes no more
    requests, and DeployError if the cloud is unreachable or refuses for another reason.
    """

    settings: type[S]
    scope: str
    """The account or project that ``deployments`` lists, as in "this project"."""

    async def deploy(self, settings: S, *, confirm: Confirm, show: Show, dry_run: bool = False) -> Deployment | None:
        """Creates a deployment or updates it in place, and returns it. ``show`` gets all changes before the first one;
        ``confirm`` is asked before data is lost. A dry run changes nothing and returns None.

        Raises:
            UsageError: the name is taken, the quota is too small, or ``confirm`` refused.
            DeployError: a resource or the image could not be created.
        """
        ...

    async def deployments(self) -> Sequence[Deployment]:
        """Lists the deployments by name."""
        ...

    def check(self, name: str | None, workers: int) -> AsyncIterator[CheckResult]:
        """Checks the deployment, the quotas and the caller's permissions for a job with that many workers.

        Raises:
            UsageError: there is no such deployment.
        """
        ...

    async def destroy(self, name: str | None, *, confirm: Confirm, show: Show) -> None:
        """Removes a deployment with all its data, after ``confirm`` has agreed.

        Raises:
            UsageError: there is no such deployment, or ``confirm`` refused.
            DeployError: a resource could not be removed.
        """
        ...


def open_cloud(name: str) -> Cloud[Any]:
    """Returns the cloud called "aws" or "gcp", with the credentials that its own tools use.

    Raises:
        UsageError: there is no such cloud.
        MissingTool: the extra for it is not installed.
    """
    match name:
        case "aws":
            check_extra("AWS", "aws", "aiobotocore")
            from helios.clouds.aws.cloud import Aws

            return Aws()
        case "gcp":
            check_extra("Google Cloud", "gcp", "httpx", "google.auth", "google.cloud.storage")
            from helios.clouds.gcp.cloud import GoogleCloud

            return GoogleCloud()
        case _:
            raise UsageError(f"there is no cloud {name!r}: choose aws or gcp")
