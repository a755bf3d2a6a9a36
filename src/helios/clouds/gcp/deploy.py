"""Creates a deployment or updates it in place: bucket, accounts, repository, image, service, in that order."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from helios.clouds.events import Change, ChangesPlanned, MessageIssued, ResourceChanged, Show
from helios.clouds.gcp.build import build, is_built
from helios.clouds.gcp.deployment import (
    LABEL,
    STORE,
    Deployment,
    Names,
    find_bucket,
    make_label,
    read_commands,
    read_deployment,
    read_numbers,
)
from helios.clouds.gcp.errors import google_errors
from helios.clouds.gcp.project import Project
from helios.clouds.gcp.quota import fit_to_quota, lower_to_quota
from helios.clouds.gcp.service import contains, make_service
from helios.clouds.gcp.settings import REGION, Settings
from helios.clouds.names import check_commands, image_tag
from helios.errors import UsageError

ACCOUNT = "Helios: "
"""The prefix of the display names of Helios' accounts."""
PAUSE = 2.0
"""Seconds before a request is repeated that names a new account."""
_TRIES = 30
_REVISION_TIMEOUT_S = 5400.0


@dataclass(frozen=True, slots=True)
class Step:
    """A change, and the function that applies it."""

    change: Change
    apply: Callable[[], object]


@dataclass(frozen=True, slots=True)
class DesiredState:
    """The desired deployment, with the ``bucket`` and ``service`` that already exist."""

    names: Names
    numbers: dict[str, int]
    commands: tuple[str, ...]
    image: str
    tag: str
    version: str
    bucket: Any
    service: Any


def deploy(
    project: Project,
    settings: Settings,
    *,
    version: str,
    context: bytes,
    digest: str,
    show: Show,
    dry_run: bool = False,
) -> Deployment | None:
    """Applies ``settings`` and returns the deployment. ``show`` gets all changes before the first one is applied.

    Existing resources that match stay, so a deploy that was interrupted continues. No change loses data. Cloud Build
    builds the image from ``context``, a zip with that ``digest``. A dry run only shows the changes and returns None.

    Raises:
        UsageError: credentials or permissions are missing, the name is taken, or the quota is too small.
        DeployError: a resource could not be created.
    """
    with google_errors():
        desired = resolve(project, settings, version=version, digest=digest, show=show)
        grants = list(_grants(project, desired))
        steps: list[Step] = [
            *_bucket(project, desired),
            *_accounts(project, desired),
            *_repository(project, desired),
            *grants,
            *(() if settings.image else _image(project, desired, context, show, fresh=bool(grants))),
            *_service(project, desired, settings, show),
        ]
        if not steps:
            show(MessageIssued(message=f"{settings.name} is up to date: nothing to change"))
        else:
            show(ChangesPlanned(name=settings.name, changes=tuple(step.change for step in steps)))
        if dry_run:
            return None
        for step in steps:
            step.apply()
            show(ResourceChanged(resource=step.change.resource, status="done"))
        return read_deployment(project, find_bucket(project, settings.name))


def resolve(project: Project, settings: Settings, *, version: str, digest: str, show: Show) -> DesiredState:
    """Returns the desired state: the settings, completed by what exists and by the project's quota.

    Raises:
        UsageError: the name is taken, or the quota is too small.
    """
    from google.api_core.exceptions import NotFound

    bucket = find_bucket(project, settings.name)
    if bucket is not None and LABEL not in bucket.labels:
        raise UsageError(f"the bucket {bucket.name} does not belong to Helios: choose another --name")
    region = settings.region or (bucket.location.lower() if bucket else os.environ.get("CLOUDSDK_RUN_REGION", REGION))
    if bucket is not None and bucket.location.lower() != region:
        raise UsageError(
            f"{settings.name} is in {bucket.location.lower()}, not {region}: destroy it, or choose another --name"
        )
    names = Names(project.id, region, settings.name)
    try:
        service = project.services.get_service(name=names.service)
    except NotFound:
        service = None
    if service is not None and LABEL not in service.labels:
        raise UsageError(f"the service {settings.name} does not belong to Helios: choose another --name")
    before = read_numbers(service) if service else {}
    if bucket is not None and (days := _read_keep_days(bucket)):
        before["keep_days"] = days
    deployed = service.template.containers[0].image if service else ""
    tag = image_tag(f"{version}-{digest[:16]}", deployed, refresh=settings.refresh)
    image = settings.image or names.image(tag)
    numbers = fit_to_quota(project, settings, region, settings.numbers(before), before, show)
    allowed = check_commands(settings.allow_commands)
    commands = (read_commands(service) if service else ()) if allowed is None else allowed
    return DesiredState(names, numbers, commands, image, tag, version, bucket, service)


def _bucket(project: Project, desired: DesiredState) -> Iterator[Step]:
    rules = [
        _delete_after(f"{STORE}/", desired.numbers["keep_days"]),
        _delete_after("context/", 7),
        _delete_after("logs/", 30),
        {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 1}},
    ]
    labels = {LABEL: make_label(desired.version)}
    bucket = desired.bucket

    def apply() -> None:
        from google.api_core.exceptions import Conflict

        target = bucket or project.storage.bucket(desired.names.bucket)
        target.labels = {**target.labels, **labels}
        target.lifecycle_rules = rules
        target.iam_configuration.uniform_bucket_level_access_enabled = True
        target.iam_configuration.public_access_prevention = "enforced"
        if bucket is None:
            target.soft_delete_policy.retention_duration_seconds = 0  # else deleted objects cost for another week
            try:
                project.storage.create_bucket(target, location=desired.names.region)
            except Conflict:
                raise UsageError(
                    f"the bucket {target.name} belongs to another project: choose another --name"
                ) from None
        else:
            target.patch()

    if bucket is None:
        yield Step(_change("Add", desired.names.bucket, "bucket"), apply)
    elif not (
        contains(dict(bucket.labels), labels)
        and [dict(rule) for rule in bucket.lifecycle_rules] == rules
        and bucket.iam_configuration.uniform_bucket_level_access_enabled
        and bucket.iam_configuration.public_access_prevention == "enforced"
    ):
        yield Step(_change("Modify", desired.names.bucket, "bucket"), apply)


def _accounts(project: Project, desired: DesiredState) -> Iterator[Step]:
    from google.api_core.exceptions import NotFound

    for email, role in ((desired.names.worker, "worker"), (desired.names.builder, "image builder")):
        try:
            found = project.iam("GET", f"serviceAccounts/{email}")
            if not found.get("displayName", "").startswith(ACCOUNT):
                raise UsageError(f"the service account {email} does not belong to Helios: choose another --name")
        except NotFound:
            body = {
                "accountId": email.partition("@")[0],
                "serviceAccount": {"displayName": f"{ACCOUNT}{role} of {desired.names.name}"},
            }
            yield Step(
                _change("Add", email, "service account"),
                lambda body=body: project.iam("POST", "serviceAccounts", body),
            )


def _repository(project: Project, desired: DesiredState) -> Iterator[Step]:
    from google.api_core.exceptions import NotFound

    names, label = desired.names, make_label(desired.version)
    try:
        found = project.repositories.get_repository(name=names.repository)
    except NotFound:
        repository = {"format_": "DOCKER", "description": "Images of the Helios worker", "labels": {LABEL: label}}
        yield Step(
            _change("Add", names.name, "image repository"),
            lambda: project.repositories.create_repository(
                parent=names.location, repository_id=names.name, repository=repository
            ).result(),
        )
        return
    if LABEL not in found.labels:
        raise UsageError(f"the repository {names.name} does not belong to Helios: choose another --name")
    if found.labels[LABEL] != label:
        newer = {"name": names.repository, "labels": {**found.labels, LABEL: label}}
        yield Step(
            _change("Modify", names.name, "image repository"),
            lambda: project.repositories.update_repository(repository=newer, update_mask={"paths": ["labels"]}),
        )


def _grants(project: Project, desired: DesiredState) -> Iterator[Step]:
    """Roles on the bucket and the repository only. Cloud Build needs to administer the bucket for its log."""
    from google.api_core.exceptions import NotFound

    names = desired.names
    roles = {
        "roles/storage.objectUser": f"serviceAccount:{names.worker}",
        "roles/storage.admin": f"serviceAccount:{names.builder}",
    }
    bucket = project.storage.bucket(names.bucket)
    found: Any = bucket.get_iam_policy(requested_policy_version=3).bindings if desired.bucket is not None else []

    def grant_bucket() -> None:
        policy = bucket.get_iam_policy(requested_policy_version=3)
        for role, member in roles.items():
            if not _has(policy.bindings, role, member):
                policy.bindings.append({"role": role, "members": {member}})
        _retry_new_account(lambda: bucket.set_iam_policy(policy))

    if not all(_has(found, role, member) for role, member in roles.items()):
        yield Step(_change("Modify", names.bucket, "permissions"), grant_bucket)

    role, member = "roles/artifactregistry.writer", f"serviceAccount:{names.builder}"
    try:
        policy = project.repositories.get_iam_policy(request={"resource": names.repository})
        has = any(binding.role == role and member in binding.members for binding in policy.bindings)
    except NotFound:
        has = False

    def grant_repository() -> None:
        policy = project.repositories.get_iam_policy(request={"resource": names.repository})
        policy.bindings.add(role=role, members=[member])
        _retry_new_account(
            lambda: project.repositories.set_iam_policy(request={"resource": names.repository, "policy": policy})
        )

    if not has:
        yield Step(_change("Modify", names.name, "permissions"), grant_repository)


def _image(project: Project, desired: DesiredState, context: bytes, show: Show, *, fresh: bool) -> Iterator[Step]:
    if not is_built(project, desired.names, desired.tag):
        yield Step(
            _change("Add", desired.tag, "image, built by Cloud Build"),
            lambda: _retry_new_account(lambda: build(project, desired.names, desired.tag, context, show, fresh=fresh)),
        )


def _service(project: Project, desired: DesiredState, requested: Settings, show: Show) -> Iterator[Step]:
    from google.cloud import run_v2

    settings = make_service(desired.names, desired.numbers, desired.image, desired.version, desired.commands)
    names, service = desired.names, desired.service
    message: Any = run_v2.Service
    if service is None:

        def create() -> Any:
            parts = {"parent": names.location, "service_id": names.name, "service": settings}
            return _retry_new_account(lambda: project.services.create_service(**parts)).result(
                timeout=_REVISION_TIMEOUT_S
            )

        yield Step(_change("Add", names.name, "service"), lambda: lower_to_quota(create, settings, requested, show))
    else:
        plain = {"use_integers_for_enums": False, "always_print_fields_with_no_presence": False}
        same = contains(message.to_dict(service, **plain), message.to_dict(message(settings), **plain))
        failed = service.terminal_condition.state.name == "CONDITION_FAILED"
        if failed or service.invoker_iam_disabled or not same:
            if failed and same:  # Cloud Run retries only a revision that differs
                settings["template"]["annotations"] = {"helios-retry": secrets.token_hex(4)}
            newer = {"name": names.service, **settings}

            def update() -> Any:
                return project.services.update_service(service=newer).result(timeout=_REVISION_TIMEOUT_S)

            yield Step(
                _change("Modify", names.name, "service"), lambda: lower_to_quota(update, settings, requested, show)
            )


def _retry_new_account(request: Callable[[], Any]) -> Any:
    """Repeats a request until Google knows the new service account that it names.

    Source: https://cloud.google.com/iam/docs/service-accounts-create
    """
    from google.api_core.exceptions import BadRequest, InvalidArgument, NotFound

    for left in reversed(range(_TRIES)):
        try:
            return request()
        except (BadRequest, InvalidArgument, NotFound) as error:
            if not left or "does not exist" not in str(error):
                raise
        time.sleep(PAUSE)
    raise AssertionError("unreachable")


def _has(bindings: Any, role: str, member: str) -> bool:
    return any(binding["role"] == role and member in binding["members"] for binding in bindings)


def _delete_after(prefix: str, days: int) -> dict[str, Any]:
    return {"action": {"type": "Delete"}, "condition": {"age": days, "matchesPrefix": [prefix]}}


def _read_keep_days(bucket: Any) -> int | None:
    for rule in bucket.lifecycle_rules:
        if rule["condition"].get("matchesPrefix") == [f"{STORE}/"]:
            return rule["condition"]["age"]
    return None


def _change(action: str, resource: str, kind: str) -> Change:
    return Change(action=action, resource=resource, kind=kind)
