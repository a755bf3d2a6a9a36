"""The checks of a deployment. The function and the bucket are moto's.

moto has neither quotas nor IAM's simulator: botocore's own Stubber responds, and checks both sides against AWS' service
description.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from aiobotocore.stub import AioStubber

from helios.clouds import CheckResult
from helios.clouds.aws import Deployment, new_session
from helios.clouds.aws.check import check, check_bucket, check_concurrency, check_permissions
from helios.clouds.aws.session import client
from support.aws_account import NAME, Account

DEPLOYMENT = Deployment(
    name=NAME,
    version="0.1.0",
    function=NAME,
    bucket="videos",
    store="s3://videos/store",
    region="eu-central-1",
    account="123456789012",
    partition="aws",
    memory_mb=3008,
    timeout=900,
    disk_mb=2048,
    architecture="x86_64",
    image="",
    state="CREATE_COMPLETE",
)
ROLE = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/Videos"


def checked(account: Account, deployment: Deployment) -> dict[str, CheckResult]:
    async def all_of_it() -> list[CheckResult]:
        return [finding async for finding in check(new_session(), deployment, 20)]

    return {finding.name: finding for finding in asyncio.run(all_of_it())}


def test_a_deployment_is_checked(account: Account) -> None:
    deployment = account.deploy()
    assert deployment is not None
    found = checked(account, deployment)
    assert list(found) == ["function", "memory", "timeout", "disk", "concurrency", "bucket", "permissions"]
    assert all(found[name].ok for name in ("function", "memory", "timeout", "bucket"))
    # moto has no quotas and no policy simulator: those checks can't run, which is no failure.
    assert found["concurrency"].ok is None
    assert found["permissions"].ok is None
    # Its CloudFormation forgets the size of /tmp, so that the function has what Lambda gives by default.
    assert found["disk"] == CheckResult(
        "disk", False, "512 MB, at least 1024 needed", f"helios deploy aws --name {NAME} --disk 2048"
    )
    keys = [item["Key"] for item in account.aws("s3").list_objects_v2(Bucket=deployment.bucket)["Contents"]]
    assert not any(key.startswith("store/") for key in keys), "what was tried is cleared away"


def test_missing_resources_are_named(account: Account) -> None:
    deployment = account.deploy()
    assert deployment is not None
    account.aws("lambda").delete_function(FunctionName=NAME)
    found = checked(account, replace(deployment, bucket="gone"))
    assert found["function"] == CheckResult(
        "function", False, f"there is no function {NAME}", f"helios deploy aws --name {NAME}"
    )
    assert found["bucket"].ok is False
    assert "does not exist" in found["bucket"].detail


def test_too_little_memory_comes_with_the_fix(account: Account) -> None:
    deployment = account.deploy(memory=1024, timeout=30)
    assert deployment is not None
    found = checked(account, deployment)
    assert found["memory"].ok is False
    assert found["memory"].fix.endswith("--memory 3008")
    assert found["timeout"].ok is False


def asked(
    answers: Callable[[AioStubber, AioStubber], None],
    look: Callable[[Any, Any], Coroutine[Any, Any, CheckResult]],
    *names: str,
) -> CheckResult:
    """The result of a check for the responses of two services."""

    async def all_of_it() -> CheckResult:
        session = new_session()
        async with client(session, names[0]) as one, client(session, names[1]) as other:
            with AioStubber(one) as first, AioStubber(other) as second:
                answers(first, second)
                found = await look(one, other)
                first.assert_no_pending_responses()
                second.assert_no_pending_responses()
                return found

    return asyncio.run(all_of_it())


@pytest.mark.parametrize(
    ("account_limit", "free", "reserved", "fine", "words"),
    [
        (1000, 900, None, True, "1000 concurrent executions"),
        (10, 10, None, False, "10 unreserved"),
        (1000, 60, None, False, "60 unreserved"),
        (1000, 60, 200, True, "200 reserved for this function"),
        (1000, 900, 50, False, "50 reserved"),
    ],
)
def test_concurrency_is_compared_with_the_workers(
    account: Account, account_limit: int, free: int, reserved: int | None, fine: bool, words: str
) -> None:
    def answers(functions: AioStubber, _other: AioStubber) -> None:
        limit = {"ConcurrentExecutions": account_limit, "UnreservedConcurrentExecutions": free}
        functions.add_response("get_account_settings", {"AccountLimit": limit})
        own = {} if reserved is None else {"ReservedConcurrentExecutions": reserved}
        functions.add_response("get_function_concurrency", own, {"FunctionName": NAME})

    found = asked(answers, lambda functions, _other: check_concurrency(functions, NAME, 100), "lambda", "s3")
    assert found.ok is fine
    assert words in found.detail
    most = free if reserved is None else reserved
    assert fine or f"--workers {most}" in found.fix


def allowed(name: str, decision: str = "allowed") -> dict[str, str]:
    return {"EvalActionName": name, "EvalDecision": decision}


def simulated(iam: AioStubber, who: str, **refused: str) -> None:
    for actions, resource in (
        (["lambda:InvokeFunction"], f"arn:aws:lambda:eu-central-1:123456789012:function:{NAME}"),
        (["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "arn:aws:s3:::videos/store/any"),
        (["s3:ListBucket"], "arn:aws:s3:::videos"),
    ):
        results = [allowed(action, refused.get(action.replace(":", "_"), "allowed")) for action in actions]
        iam.add_response(
            "simulate_principal_policy",
            {"EvaluationResults": results},
            {"PolicySourceArn": who, "ActionNames": actions, "ResourceArns": [resource]},
        )


def test_missing_rights_are_named_and_a_session_is_traced_to_its_role(account: Account) -> None:
    def answers(sts: AioStubber, iam: AioStubber) -> None:
        sts.add_response("get_caller_identity", {"Arn": "arn:aws:sts::123456789012:assumed-role/Videos/me"})
        role = {"Path": "/aws-reserved/sso.amazonaws.com/", "RoleName": "Videos", "RoleId": "A" * 16, "Arn": ROLE}
        iam.add_response("get_role", {"Role": role | {"CreateDate": 0}}, {"RoleName": "Videos"})
        simulated(iam, ROLE, lambda_InvokeFunction="implicitDeny", s3_PutObject="explicitDeny")

    found = asked(answers, lambda sts, iam: check_permissions(sts, iam, DEPLOYMENT), "sts", "iam")
    assert found.ok is False
    assert found.detail.endswith("may not lambda:InvokeFunction, s3:PutObject")


def test_a_user_with_all_rights_is_fine(account: Account) -> None:
    def answers(sts: AioStubber, iam: AioStubber) -> None:
        sts.add_response("get_caller_identity", {"Arn": "arn:aws:iam::123456789012:user/me"})
        simulated(iam, "arn:aws:iam::123456789012:user/me")

    assert asked(answers, lambda sts, iam: check_permissions(sts, iam, DEPLOYMENT), "sts", "iam").ok


def test_a_store_without_conditional_writes_fails(account: Account) -> None:
    def answers(s3: AioStubber, _other: AioStubber) -> None:
        s3.add_response("put_object", {})
        s3.add_response("put_object", {})
        s3.add_response("delete_object", {})

    found = asked(answers, lambda s3, _other: check_bucket(s3, "videos"), "s3", "sts")
    assert (found.ok, found.detail) == (False, "videos does not support conditional writes")
