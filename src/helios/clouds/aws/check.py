"""Comparing what a deployment, its account and its caller have with what a job needs, before money is spent."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

from aiobotocore.session import AioSession
from botocore.exceptions import ClientError

from helios.clouds.aws.deployment import STORE, Deployment
from helios.clouds.aws.failures import error_code, of_answer, told
from helios.clouds.aws.session import client
from helios.clouds.finding import CheckResult
from helios.errors import HeliosError

LEAST_MEMORY = 1769
"""MB from which on a function has a whole processor."""
LEAST_TIMEOUT = 60
LEAST_DISK = 1024


async def check(session: AioSession, deployment: Deployment, workers: int) -> AsyncIterator[CheckResult]:
    """What is there for ``workers`` at once, one finding after the other.

    Raises:
        UsageError: credentials or region are missing.
        DeployError: AWS can't be reached.
    """
    async with client(session, "lambda") as functions:
        async for finding in function(functions, deployment):
            yield finding
        yield await concurrency(functions, deployment.function, workers)
    async with client(session, "s3") as s3:
        yield await bucket(s3, deployment.bucket)
    async with client(session, "sts") as sts, client(session, "iam") as iam:
        yield await permissions(sts, iam, deployment)


async def function(functions: Any, deployment: Deployment) -> AsyncIterator[CheckResult]:
    """Whether the function is there, can be called, and has what a chunk needs."""
    again = f"helios deploy aws --name {deployment.name}"
    try:
        found = await functions.get_function_configuration(FunctionName=deployment.function)
    except ClientError as error:
        gone = error_code(error) == "ResourceNotFoundException"
        message = f"there is no function {deployment.function}" if gone else str(of_answer(error))
        yield CheckResult("function", False if gone else None, message, again if gone else "")
        return
    state, update = found.get("State", "Active"), found.get("LastUpdateStatus", "Successful")
    shown = f"{deployment.function}: {state}, {deployment.architecture}, Helios {deployment.version}"
    # Lambda puts functions to sleep that are not called for weeks; a call wakes them.
    yield CheckResult(
        "function",
        state in ("Active", "Inactive") and update == "Successful",
        shown if update == "Successful" else f"{shown}, last update {update}",
        "" if state in ("Active", "Inactive") and update == "Successful" else found.get("StateReason", again),
    )
    memory, timeout = found["MemorySize"], found["Timeout"]
    disk = found.get("EphemeralStorage", {}).get("Size", 512)
    yield _at_least("memory", memory, LEAST_MEMORY, "MB", f"{again} --memory 3008")
    yield _at_least("time-out", timeout, LEAST_TIMEOUT, "s", f"{again} --timeout 900")
    yield _at_least("disk", disk, LEAST_DISK, "MB", f"{again} --disk 2048")


async def concurrency(functions: Any, name: str, workers: int) -> CheckResult:
    """Whether so many workers may be under way at once. New accounts often may have 10."""
    try:
        with told():
            limits = (await functions.get_account_settings())["AccountLimit"]
            own = await functions.get_function_concurrency(FunctionName=name)
    except HeliosError as error:
        return CheckResult("concurrency", None, f"can't be asked for: {error}")
    reserved: int | None = own.get("ReservedConcurrentExecutions")
    account, free = limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]
    most = free if reserved is None else reserved
    kept = f"{free} of them not reserved" if reserved is None else f"{reserved} reserved for this function"
    return CheckResult(
        "concurrency",
        most >= workers,
        f"{workers} workers of {account} at once in this account and region, {kept}",
        ""
        if most >= workers
        else f"use --workers {most} at most, or ask for more: Service Quotas, AWS Lambda, Concurrent executions",
    )


async def bucket(s3: Any, name: str) -> CheckResult:
    """Whether the bucket can be written to, and refuses to write what is there: both are really tried."""
    key = f"{STORE}/check/{uuid.uuid4().hex}"
    try:
        await s3.put_object(Bucket=name, Key=key, Body=b"", IfNoneMatch="*")
        try:
            await s3.put_object(Bucket=name, Key=key, Body=b"", IfNoneMatch="*")
        except ClientError as error:
            if error_code(error) not in ("PreconditionFailed", "412"):
                raise
            return CheckResult("bucket", True, f"{name}: writes, once only")
        finally:
            await s3.delete_object(Bucket=name, Key=key)
    except ClientError as error:
        return CheckResult("bucket", False, str(of_answer(error)), "look at the bucket's policy and your own rights")
    return CheckResult(
        "bucket", False, f"{name} does not know conditional writes", "use Amazon S3 itself for the store"
    )


async def permissions(sts: Any, iam: Any, deployment: Deployment) -> CheckResult:
    """Whether the caller may do what a job does, as IAM's own simulator sees it.

    It knows nothing of an organisation's policies (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_testing-policies.html).
    """
    try:
        with told():
            caller = (await sts.get_caller_identity())["Arn"]
            if caller.endswith(":root"):
                return CheckResult("permissions", True, "the account's root user, who may do everything")
            missing = await _missing(iam, await _principal(iam, caller), deployment)
    except HeliosError as error:
        return CheckResult("permissions", None, f"can't be asked for: {error}")
    if missing:
        return CheckResult("permissions", False, f"{caller} may not {', '.join(missing)}", "docs/aws.md has the policy")
    return CheckResult("permissions", True, f"{caller} may call the function and use the bucket")


async def _missing(iam: Any, principal: str, deployment: Deployment) -> list[str]:
    missing: list[str] = []
    for actions, resource in _needed(deployment):
        answer = await iam.simulate_principal_policy(
            PolicySourceArn=principal, ActionNames=actions, ResourceArns=[resource]
        )
        results = answer["EvaluationResults"]
        missing += [result["EvalActionName"] for result in results if result["EvalDecision"] != "allowed"]
    return missing


async def _principal(iam: Any, caller: str) -> str:
    """The ARN that holds the policies: a session's role has another than the session, with its path."""
    _, _, service, _, _, resource = caller.split(":", 5)
    if service == "sts" and resource.startswith("assumed-role/"):
        return (await iam.get_role(RoleName=resource.split("/")[1]))["Role"]["Arn"]
    return caller


def _needed(deployment: Deployment) -> list[tuple[list[str], str]]:
    place = f"arn:{deployment.partition}:lambda:{deployment.region}:{deployment.account}"
    store = f"arn:{deployment.partition}:s3:::{deployment.bucket}"
    return [
        (["lambda:InvokeFunction"], f"{place}:function:{deployment.function}"),
        (["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], f"{store}/{STORE}/any"),
        (["s3:ListBucket"], store),
    ]


def _at_least(name: str, has: int, least: int, unit: str, mend: str) -> CheckResult:
    fine = has >= least
    return CheckResult(
        name, fine, f"{has} {unit}" if fine else f"{has} {unit}, at least {least} needed", "" if fine else mend
    )
