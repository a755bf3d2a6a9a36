"""Checks a deployment, its account's quotas and the caller's permissions before a job costs money."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

from aiobotocore.session import AioSession
from botocore.exceptions import ClientError

from helios.clouds.aws.deployment import STORE, Deployment
from helios.clouds.aws.errors import aws_errors, error_code, translate
from helios.clouds.aws.session import client
from helios.clouds.cloud import CheckResult, check_minimum
from helios.errors import HeliosError

MIN_MEMORY = 1769
"""MB that give a function a whole processor."""
MIN_TIMEOUT = 60
MIN_DISK = 1024


async def check(session: AioSession, deployment: Deployment, workers: int) -> AsyncIterator[CheckResult]:
    """Yields the results of all checks for a job with that many concurrent ``workers``.

    Raises:
        UsageError: credentials or region are missing.
        DeployError: AWS is unreachable.
    """
    async with client(session, "lambda") as functions:
        async for result in check_function(functions, deployment):
            yield result
        yield await check_concurrency(functions, deployment.function, workers)
    async with client(session, "s3") as s3:
        yield await check_bucket(s3, deployment.bucket)
    async with client(session, "sts") as sts, client(session, "iam") as iam:
        yield await check_permissions(sts, iam, deployment)


async def check_function(functions: Any, deployment: Deployment) -> AsyncIterator[CheckResult]:
    """Yields whether the function exists, can be called, and is large enough for a chunk."""
    command = f"helios deploy aws --name {deployment.name}"
    try:
        found = await functions.get_function_configuration(FunctionName=deployment.function)
    except ClientError as error:
        missing = error_code(error) == "ResourceNotFoundException"
        message = f"there is no function {deployment.function}" if missing else str(translate(error))
        yield CheckResult("function", False if missing else None, message, command if missing else "")
        return
    state, update = found.get("State", "Active"), found.get("LastUpdateStatus", "Successful")
    detail = f"{deployment.function}: {state}, {deployment.architecture}, Helios {deployment.version}"
    if update != "Successful":
        detail += f", last update {update}"
    # Lambda deactivates functions that are idle for weeks; a call activates them.
    ok = state in ("Active", "Inactive") and update == "Successful"
    yield CheckResult("function", ok, detail, "" if ok else found.get("StateReason", command))
    memory, timeout = found["MemorySize"], found["Timeout"]
    disk = found.get("EphemeralStorage", {}).get("Size", 512)
    yield check_minimum("memory", memory, MIN_MEMORY, "MB", f"{command} --memory 3008")
    yield check_minimum("timeout", timeout, MIN_TIMEOUT, "s", f"{command} --timeout 900")
    yield check_minimum("disk", disk, MIN_DISK, "MB", f"{command} --disk 2048")


async def check_concurrency(functions: Any, name: str, workers: int) -> CheckResult:
    """Returns whether so many workers can run concurrently. New accounts often allow 10."""
    try:
        with aws_errors():
            limits = (await functions.get_account_settings())["AccountLimit"]
            own = await functions.get_function_concurrency(FunctionName=name)
    except HeliosError as error:
        return CheckResult("concurrency", None, f"can't be checked: {error}")
    reserved: int | None = own.get("ReservedConcurrentExecutions")
    account, free = limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]
    limit = free if reserved is None else reserved
    share = f"{free} unreserved" if reserved is None else f"{reserved} reserved for this function"
    detail = f"{account} concurrent executions in this account and region, {share}, for {workers} workers"
    if limit >= workers:
        return CheckResult("concurrency", True, detail)
    fix = f"use --workers {limit} or less, or request more: Service Quotas, AWS Lambda, Concurrent executions"
    return CheckResult("concurrency", False, detail, fix)


async def check_bucket(s3: Any, name: str) -> CheckResult:
    """Returns whether the bucket takes an object, and refuses to overwrite it in a conditional write."""
    key = f"{STORE}/check/{uuid.uuid4().hex}"
    try:
        await s3.put_object(Bucket=name, Key=key, Body=b"", IfNoneMatch="*")
        try:
            await s3.put_object(Bucket=name, Key=key, Body=b"", IfNoneMatch="*")
        except ClientError as error:
            if error_code(error) not in ("PreconditionFailed", "412"):
                raise
            return CheckResult("bucket", True, f"{name}: writable, with conditional writes")
        finally:
            await s3.delete_object(Bucket=name, Key=key)
    except ClientError as error:
        return CheckResult("bucket", False, str(translate(error)), "check the bucket's policy and your permissions")
    return CheckResult(
        "bucket", False, f"{name} does not support conditional writes", "use Amazon S3 itself for the store"
    )


async def check_permissions(sts: Any, iam: Any, deployment: Deployment) -> CheckResult:
    """Returns whether the caller has the permissions for a job, according to IAM's simulator.

    It ignores an organisation's policies (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_testing-policies.html).
    """
    try:
        with aws_errors():
            caller = (await sts.get_caller_identity())["Arn"]
            if caller.endswith(":root"):
                return CheckResult("permissions", True, "the account's root user has all permissions")
            missing = await _missing(iam, await _principal(iam, caller), deployment)
    except HeliosError as error:
        return CheckResult("permissions", None, f"can't be checked: {error}")
    if missing:
        return CheckResult(
            "permissions", False, f"{caller} may not {', '.join(missing)}", "docs/aws.md has the policy needed"
        )
    return CheckResult("permissions", True, f"{caller} may call the function and use the bucket")


async def _missing(iam: Any, principal: str, deployment: Deployment) -> list[str]:
    missing: list[str] = []
    for actions, resource in _needed_actions(deployment):
        answer = await iam.simulate_principal_policy(
            PolicySourceArn=principal, ActionNames=actions, ResourceArns=[resource]
        )
        results = answer["EvaluationResults"]
        missing += [result["EvalActionName"] for result in results if result["EvalDecision"] != "allowed"]
    return missing


async def _principal(iam: Any, caller: str) -> str:
    """Returns the ARN with the policies: of an assumed role's session, the role's, which includes its path."""
    _, _, service, _, _, resource = caller.split(":", 5)
    if service == "sts" and resource.startswith("assumed-role/"):
        return (await iam.get_role(RoleName=resource.split("/")[1]))["Role"]["Arn"]
    return caller


def _needed_actions(deployment: Deployment) -> list[tuple[list[str], str]]:
    functions = f"arn:{deployment.partition}:lambda:{deployment.region}:{deployment.account}"
    store = f"arn:{deployment.partition}:s3:::{deployment.bucket}"
    return [
        (["lambda:InvokeFunction"], f"{functions}:function:{deployment.function}"),
        (["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], f"{store}/{STORE}/any"),
        (["s3:ListBucket"], store),
    ]
