"""Comparing what a deployment and its caller have with what a job needs, before money is spent."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from helios.clouds.finding import CheckResult
from helios.clouds.gcp.deployment import STORE, Deployment, Names
from helios.clouds.gcp.project import Project, told
from helios.clouds.gcp.quota import most_instances
from helios.errors import HeliosError

LEAST_MEMORY = 2048
"""MiB that a chunk of 1920x1080 takes with its files, which an instance keeps in memory."""
LEAST_TIMEOUT = 60
_CALL = "run.routes.invoke"
_OBJECTS = ("storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list")
_EVERYBODY = {"allUsers", "allAuthenticatedUsers"}


def check(project: Project, deployment: Deployment, workers: int) -> Iterator[CheckResult]:
    """What is there for ``workers`` at once, one finding after the other.

    Raises:
        UsageError: credentials are missing.
        DeployError: Google can't be reached.
    """
    again = f"helios deploy gcp --name {deployment.name}"
    ready = deployment.state == "CONDITION_SUCCEEDED"
    shown = f"{deployment.service}: {deployment.state}, Helios {deployment.version}"
    yield CheckResult("service", ready, shown, "" if ready else again)
    yield _at_least("memory", deployment.memory_mb, LEAST_MEMORY, "MiB", f"{again} --memory 4096")
    yield _at_least("time-out", deployment.timeout, LEAST_TIMEOUT, "s", f"{again} --timeout 3600")
    enough = deployment.max_instances
    yield _at_least("instances", enough, workers, "at once", f"{again} --max-instances {workers}, or fewer --workers")
    yield _quota(project, deployment, workers)
    yield _bucket(project, deployment)
    yield _callers(project, deployment)
    yield _permissions(project, deployment)


def _quota(project: Project, deployment: Deployment, workers: int) -> CheckResult:
    """Whether the project may have so many instances in that region."""
    numbers = {"cpus": round(deployment.cpus), "memory": deployment.memory_mb}
    if not all(numbers.values()):
        return CheckResult("quota", None, "can't be compared: there is no service yet")
    try:
        most = most_instances(project, deployment.region, numbers)
    except HeliosError as error:
        return CheckResult("quota", None, f"can't be asked for: {error}")
    if most is None or most >= workers:
        return CheckResult("quota", True, f"holds {'any number of' if most is None else most} instances")
    mend = f"use --workers {most} at most, or ask for more: https://cloud.google.com/run/quotas"
    return CheckResult("quota", False, f"holds {most} instances, for {workers} workers", mend)


def _bucket(project: Project, deployment: Deployment) -> CheckResult:
    """Whether what is there can't be put a second time."""
    from google.api_core.exceptions import PreconditionFailed

    blob = project.storage.bucket(deployment.bucket).blob(f"{STORE}/check-{secrets.token_hex(8)}")
    try:
        with told():
            blob.upload_from_string(b"", if_generation_match=0)
            try:
                blob.upload_from_string(b"", if_generation_match=0)
            except PreconditionFailed:
                return CheckResult("bucket", True, f"{deployment.bucket}: writes, once only")
            finally:
                blob.delete()
    except HeliosError as error:
        return CheckResult("bucket", False, str(error), "roles/storage.objectUser on the bucket")
    return CheckResult(
        "bucket", False, f"{deployment.bucket} does not know conditional writes", "use Cloud Storage itself"
    )


def _callers(project: Project, deployment: Deployment) -> CheckResult:
    """Whether nobody but those who were named may call the service."""
    names = Names(project.id, deployment.region, deployment.name)
    try:
        with told():
            service = project.services.get_service(name=names.service)
            policy = project.services.get_iam_policy(request={"resource": names.service})
    except HeliosError as error:
        return CheckResult("callers", None, f"can't be asked for: {error}")
    if service.invoker_iam_disabled:
        mend = f"helios deploy gcp --name {deployment.name}"
        return CheckResult("callers", False, "everybody may call the service: Cloud Run looks at no rights", mend)
    if any(_EVERYBODY & set(binding.members) for binding in policy.bindings):
        mend = f"gcloud run services remove-iam-policy-binding {deployment.name} --member allUsers --role ROLE"
        return CheckResult("callers", False, "everybody may call the service", mend)
    return CheckResult("callers", True, "only named accounts may call the service")


def _permissions(project: Project, deployment: Deployment) -> CheckResult:
    """Whether the caller may do what a job does."""
    names = Names(project.id, deployment.region, deployment.name)
    try:
        with told():
            asked = {"resource": names.service, "permissions": [_CALL]}
            held = set(project.services.test_iam_permissions(request=asked).permissions)
            held |= set(project.storage.bucket(deployment.bucket).test_iam_permissions(list(_OBJECTS)))
    except HeliosError as error:
        return CheckResult("permissions", None, f"can't be asked for: {error}")
    if missing := [each for each in (_CALL, *_OBJECTS) if each not in held]:
        mend = "roles/run.invoker on the service, roles/storage.objectUser on the bucket"
        return CheckResult("permissions", False, f"you may not {', '.join(missing)}", mend)
    return CheckResult("permissions", True, "you may call the service and use the bucket")


def _at_least(name: str, has: int, least: int, unit: str, mend: str) -> CheckResult:
    fine = has >= least
    return CheckResult(
        name, fine, f"{has} {unit}" if fine else f"{has} {unit}, at least {least} needed", "" if fine else mend
    )
