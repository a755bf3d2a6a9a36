"""Checks a deployment, its project's quota and the caller's permissions before a job costs money."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from helios.clouds.cloud import CheckResult, check_minimum
from helios.clouds.gcp.deployment import STORE, Deployment, Names
from helios.clouds.gcp.errors import google_errors
from helios.clouds.gcp.project import Project
from helios.clouds.gcp.quota import max_instances
from helios.errors import HeliosError

MIN_MEMORY = 2048
"""MiB for a chunk of 1920x1080 with its files, which an instance stores in memory."""
MIN_TIMEOUT = 60
_CALL = "run.routes.invoke"
_OBJECTS = ("storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list")
_PUBLIC = {"allUsers", "allAuthenticatedUsers"}


def check(project: Project, deployment: Deployment, workers: int) -> Iterator[CheckResult]:
    """Yields the results of all checks for a job with that many concurrent ``workers``.

    Raises:
        UsageError: credentials are missing.
        DeployError: Google is unreachable.
    """
    command = f"helios deploy gcp --name {deployment.name}"
    ready = deployment.state == "CONDITION_SUCCEEDED"
    detail = f"{deployment.service}: {deployment.state}, Helios {deployment.version}"
    yield CheckResult("service", ready, detail, "" if ready else command)
    yield check_minimum("memory", deployment.memory_mb, MIN_MEMORY, "MiB", f"{command} --memory 4096")
    yield check_minimum("timeout", deployment.timeout, MIN_TIMEOUT, "s", f"{command} --timeout 3600")
    fix = f"{command} --max-instances {workers}, or use fewer --workers"
    yield check_minimum("instances", deployment.max_instances, workers, "instances", fix)
    yield _quota(project, deployment, workers)
    yield _bucket(project, deployment)
    yield _callers(project, deployment)
    yield _permissions(project, deployment)


def _quota(project: Project, deployment: Deployment, workers: int) -> CheckResult:
    """Returns whether the project's quota allows so many instances in that region."""
    numbers = {"cpus": round(deployment.cpus), "memory": deployment.memory_mb}
    if not all(numbers.values()):
        return CheckResult("quota", None, "can't be checked: there is no service yet")
    try:
        limit = max_instances(project, deployment.region, numbers)
    except HeliosError as error:
        return CheckResult("quota", None, f"can't be checked: {error}")
    if limit is None or limit >= workers:
        return CheckResult("quota", True, f"allows {'any number of' if limit is None else limit} instances")
    fix = f"use --workers {limit} or less, or request more: https://cloud.google.com/run/quotas"
    return CheckResult("quota", False, f"allows {limit} instances, for {workers} workers", fix)


def _bucket(project: Project, deployment: Deployment) -> CheckResult:
    """Returns whether the bucket takes an object, and refuses to overwrite it in a conditional write."""
    from google.api_core.exceptions import PreconditionFailed

    blob = project.storage.bucket(deployment.bucket).blob(f"{STORE}/check-{secrets.token_hex(8)}")
    try:
        with google_errors():
            blob.upload_from_string(b"", if_generation_match=0)
            try:
                blob.upload_from_string(b"", if_generation_match=0)
            except PreconditionFailed:
                return CheckResult("bucket", True, f"{deployment.bucket}: writable, with conditional writes")
            finally:
                blob.delete()
    except HeliosError as error:
        return CheckResult("bucket", False, str(error), "grant yourself roles/storage.objectUser on the bucket")
    return CheckResult(
        "bucket", False, f"{deployment.bucket} does not support conditional writes", "use Cloud Storage itself"
    )


def _callers(project: Project, deployment: Deployment) -> CheckResult:
    """Returns whether only authorized accounts may call the service."""
    names = Names(project.id, deployment.region, deployment.name)
    try:
        with google_errors():
            service = project.services.get_service(name=names.service)
            policy = project.services.get_iam_policy(request={"resource": names.service})
    except HeliosError as error:
        return CheckResult("callers", None, f"can't be checked: {error}")
    if service.invoker_iam_disabled:
        fix = f"helios deploy gcp --name {deployment.name}"
        return CheckResult("callers", False, "anyone may call the service: its IAM check is disabled", fix)
    if any(_PUBLIC & set(binding.members) for binding in policy.bindings):
        fix = f"gcloud run services remove-iam-policy-binding {deployment.name} --member allUsers --role ROLE"
        return CheckResult("callers", False, "anyone may call the service", fix)
    return CheckResult("callers", True, "only authorized accounts may call the service")


def _permissions(project: Project, deployment: Deployment) -> CheckResult:
    """Returns whether the caller has the permissions for a job."""
    names = Names(project.id, deployment.region, deployment.name)
    try:
        with google_errors():
            request = {"resource": names.service, "permissions": [_CALL]}
            held = set(project.services.test_iam_permissions(request=request).permissions)
            held |= set(project.storage.bucket(deployment.bucket).test_iam_permissions(list(_OBJECTS)))
    except HeliosError as error:
        return CheckResult("permissions", None, f"can't be checked: {error}")
    if missing := [each for each in (_CALL, *_OBJECTS) if each not in held]:
        fix = "grant yourself roles/run.invoker on the service, roles/storage.objectUser on the bucket"
        return CheckResult("permissions", False, f"you may not {', '.join(missing)}", fix)
    return CheckResult("permissions", True, "you may call the service and use the bucket")
