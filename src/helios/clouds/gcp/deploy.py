"""Making a deployment, or changing it in place: bucket, accounts, repository, image, service, in that order."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from helios.clouds.events import Change, Proposed, ResourceChanged, Said, Show
from helios.clouds.gcp.build import build, is_built
from helios.clouds.gcp.deployment import (
    LABEL,
    STORE,
    Deployment,
    Names,
    commands_of,
    make_label,
    own_bucket,
    parse_scaling,
    read_deployment,
)
from helios.clouds.gcp.project import Project, told
from helios.clouds.gcp.quota import fit, lowered
from helios.clouds.gcp.service import holds, wanted_service
from helios.clouds.gcp.settings import REGION, Settings
from helios.clouds.names import check_commands, image_tag
from helios.errors import UsageError

ACCOUNT = "Helios: "
"""What the display names of Helios' accounts begin with."""
PAUSE = 2.0
"""Seconds before something is tried again that Google does not know everywhere yet."""
_TRIES = 30
_SEVERAL = 5400.0
"""Seconds that a new revision may take at most."""


@dataclass(frozen=True, slots=True)
class Step:
    """A change, and what makes it."""

    change: Change
    make: Callable[[], object]


@dataclass(frozen=True, slots=True)
class DesiredState:
    """A deployment as it should be, and what there is of it."""

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
    """Has a deployment be as ``settings`` say. All changes are shown before any is made; what is so already is left
    alone, so a deploy that was interrupted goes on. No change loses anything.

    ``context`` is what the image is built of, a zip, and ``digest`` names it. With ``dry_run`` changes are shown only,
    and None is returned.

    Raises:
        UsageError: credentials or rights are missing, the name is taken, or the settings can't be had.
        DeployError: a part could not be made.
    """
    with told():
        wanted = look(project, settings, version=version, digest=digest, show=show)
        rights = list(_grants(project, wanted))
        steps: list[Step] = [
            *_bucket(project, wanted),
            *_accounts(project, wanted),
            *_repository(project, wanted),
            *rights,
            *(() if settings.image else _image(project, wanted, context, show, fresh=bool(rights))),
            *_service(project, wanted, settings, show),
        ]
        if not steps:
            show(Said(message=f"{settings.name} is as it should be: nothing is changed"))
        else:
            show(Proposed(name=settings.name, changes=tuple(step.change for step in steps)))
        if dry_run:
            return None
        for step in steps:
            step.make()
            show(ResourceChanged(resource=step.change.resource, status="done", reason=""))
        return read_deployment(project, own_bucket(project, settings.name))


def look(project: Project, settings: Settings, *, version: str, digest: str, show: Show) -> DesiredState:
    """What is to be, as far as it depends on what there is, and on the project's quota.

    Raises:
        UsageError: the name is taken, or the settings can't be had.
    """
    from google.api_core.exceptions import NotFound

    bucket = own_bucket(project, settings.name)
    if bucket is not None and LABEL not in bucket.labels:
        raise UsageError(f"there is a bucket {bucket.name} that isn't Helios': choose another --name")
    region = settings.region or (bucket.location.lower() if bucket else os.environ.get("CLOUDSDK_RUN_REGION", REGION))
    if bucket is not None and bucket.location.lower() != region:
        raise UsageError(f"{settings.name} is in {bucket.location.lower()}: destroy it, or choose another --name")
    names = Names(project.id, region, settings.name)
    try:
        service = project.services.get_service(name=names.service)
    except NotFound:
        service = None
    if service is not None and LABEL not in service.labels:
        raise UsageError(f"there is a service {settings.name} that isn't Helios': choose another --name")
    before = parse_scaling(service) if service else {}
    if bucket is not None and (kept := _kept_days(bucket)):
        before["keep_days"] = kept
    deployed = service.template.containers[0].image if service else ""
    tag = image_tag(f"{version}-{digest[:16]}", deployed, refresh=settings.refresh)
    image = settings.image or names.image(tag)
    numbers = fit(project, settings, region, settings.over(before), before, show)
    allowed = check_commands(settings.allow)
    commands = (commands_of(service) if service else ()) if allowed is None else allowed
    return DesiredState(names, numbers, commands, image, tag, version, bucket, service)


def _bucket(project: Project, wanted: DesiredState) -> Iterator[Step]:
    rules = [
        _forgetting(f"{STORE}/", wanted.numbers["keep_days"]),
        _forgetting("context/", 7),
        _forgetting("logs/", 30),
        {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 1}},
    ]
    labels = {LABEL: make_label(wanted.version)}
    bucket = wanted.bucket

    def make() -> None:
        from google.api_core.exceptions import Conflict

        made = bucket or project.storage.bucket(wanted.names.bucket)
        made.labels = {**made.labels, **labels}
        made.lifecycle_rules = rules
        made.iam_configuration.uniform_bucket_level_access_enabled = True
        made.iam_configuration.public_access_prevention = "enforced"
        if bucket is None:
            made.soft_delete_policy.retention_duration_seconds = 0  # what is deleted would be paid for, for a week
            try:
                project.storage.create_bucket(made, location=wanted.names.region)
            except Conflict:
                raise UsageError(f"the bucket {made.name} is somebody else's: choose another --name") from None
        else:
            made.patch()

    if bucket is None:
        yield Step(_change("Add", wanted.names.bucket, "bucket"), make)
    elif not (
        holds(dict(bucket.labels), labels)
        and [dict(rule) for rule in bucket.lifecycle_rules] == rules
        and bucket.iam_configuration.uniform_bucket_level_access_enabled
        and bucket.iam_configuration.public_access_prevention == "enforced"
    ):
        yield Step(_change("Modify", wanted.names.bucket, "bucket"), make)


def _accounts(project: Project, wanted: DesiredState) -> Iterator[Step]:
    from google.api_core.exceptions import NotFound

    for email, what in ((wanted.names.worker, "worker"), (wanted.names.builder, "builder of the image")):
        try:
            found = project.iam("GET", f"serviceAccounts/{email}")
            if not found.get("displayName", "").startswith(ACCOUNT):
                raise UsageError(f"there is an account {email} that isn't Helios': choose another --name")
        except NotFound:
            body = {
                "accountId": email.partition("@")[0],
                "serviceAccount": {"displayName": f"{ACCOUNT}{what} of {wanted.names.name}"},
            }
            yield Step(
                _change("Add", email, "service account"),
                lambda body=body: project.iam("POST", "serviceAccounts", body),
            )


def _repository(project: Project, wanted: DesiredState) -> Iterator[Step]:
    from google.api_core.exceptions import NotFound

    names, label = wanted.names, make_label(wanted.version)
    try:
        found = project.repositories.get_repository(name=names.repository)
    except NotFound:
        repository = {"format_": "DOCKER", "description": "Images of Helios' worker", "labels": {LABEL: label}}
        yield Step(
            _change("Add", names.name, "repository of images"),
            lambda: project.repositories.create_repository(
                parent=names.place, repository_id=names.name, repository=repository
            ).result(),
        )
        return
    if LABEL not in found.labels:
        raise UsageError(f"there is a repository {names.name} that isn't Helios': choose another --name")
    if found.labels[LABEL] != label:
        newer = {"name": names.repository, "labels": {**found.labels, LABEL: label}}
        yield Step(
            _change("Modify", names.name, "repository of images"),
            lambda: project.repositories.update_repository(repository=newer, update_mask={"paths": ["labels"]}),
        )


def _grants(project: Project, wanted: DesiredState) -> Iterator[Step]:
    """Rights, at the bucket and the repository alone: the worker uses objects; the builder also writes its log there,
    for which Cloud Build wants the bucket's administration.
    """
    from google.api_core.exceptions import NotFound

    names = wanted.names
    roles = {
        "roles/storage.objectUser": f"serviceAccount:{names.worker}",
        "roles/storage.admin": f"serviceAccount:{names.builder}",
    }
    bucket = project.storage.bucket(names.bucket)
    found: Any = bucket.get_iam_policy(requested_policy_version=3).bindings if wanted.bucket is not None else []

    def grant_bucket() -> None:
        policy = bucket.get_iam_policy(requested_policy_version=3)
        for role, member in roles.items():
            if not _has(policy.bindings, role, member):
                policy.bindings.append({"role": role, "members": {member}})
        _patiently(lambda: bucket.set_iam_policy(policy))

    if not all(_has(found, role, member) for role, member in roles.items()):
        yield Step(_change("Modify", names.bucket, "rights"), grant_bucket)

    role, member = "roles/artifactregistry.writer", f"serviceAccount:{names.builder}"
    try:
        policy = project.repositories.get_iam_policy(request={"resource": names.repository})
        has = any(binding.role == role and member in binding.members for binding in policy.bindings)
    except NotFound:
        has = False

    def grant_repository() -> None:
        policy = project.repositories.get_iam_policy(request={"resource": names.repository})
        policy.bindings.add(role=role, members=[member])
        _patiently(
            lambda: project.repositories.set_iam_policy(request={"resource": names.repository, "policy": policy})
        )

    if not has:
        yield Step(_change("Modify", names.name, "rights"), grant_repository)


def _image(project: Project, wanted: DesiredState, context: bytes, show: Show, *, fresh: bool) -> Iterator[Step]:
    if not is_built(project, wanted.names, wanted.tag):
        yield Step(
            _change("Add", wanted.tag, "image, by Cloud Build"),
            lambda: _patiently(lambda: build(project, wanted.names, wanted.tag, context, show, fresh=fresh)),
        )


def _service(project: Project, wanted: DesiredState, asked: Settings, show: Show) -> Iterator[Step]:
    from google.cloud import run_v2

    settings = wanted_service(wanted.names, wanted.numbers, wanted.image, wanted.version, wanted.commands)
    names, service = wanted.names, wanted.service
    message: Any = run_v2.Service
    if service is None:

        def create() -> Any:
            parts = {"parent": names.place, "service_id": names.name, "service": settings}
            return _patiently(lambda: project.services.create_service(**parts)).result(timeout=_SEVERAL)

        yield Step(_change("Add", names.name, "service"), lambda: lowered(create, settings, asked, show))
    else:
        plain = {"use_integers_for_enums": False, "always_print_fields_with_no_presence": False}
        same = holds(message.to_dict(service, **plain), message.to_dict(message(settings), **plain))
        failed = service.terminal_condition.state.name == "CONDITION_FAILED"
        if failed or service.invoker_iam_disabled or not same:
            if failed and same:  # a revision is only tried again if it is another
                settings["template"]["annotations"] = {"helios-again": secrets.token_hex(4)}
            newer = {"name": names.service, **settings}

            def update() -> Any:
                return project.services.update_service(service=newer).result(timeout=_SEVERAL)

            yield Step(_change("Modify", names.name, "service"), lambda: lowered(update, settings, asked, show))


def _patiently(request: Callable[[], Any]) -> Any:
    """What a request gives that names an account which was just made: it takes a while until it is known everywhere.

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


def _forgetting(prefix: str, days: int) -> dict[str, Any]:
    return {"action": {"type": "Delete"}, "condition": {"age": days, "matchesPrefix": [prefix]}}


def _kept_days(bucket: Any) -> int | None:
    for rule in bucket.lifecycle_rules:
        if rule["condition"].get("matchesPrefix") == [f"{STORE}/"]:
            return rule["condition"]["age"]
    return None


def _change(action: str, resource: str, kind: str) -> Change:
    return Change(action=action, resource=resource, kind=kind, loses=False)
