"""Builds that succeed, that fail, and that are already in progress.

moto's CodeBuild only ever succeeds, immediately: botocore's own Stubber gives the other responses, and checks both sides
against AWS' service description. The log is moto's.
"""

import asyncio
from typing import Any

import pytest
from aiobotocore.stub import AioStubber

from helios.clouds.aws import new_session
from helios.clouds.aws.build import LOG_LINES, build, follow
from helios.clouds.aws.session import client
from helios.clouds.events import BuildProgressed, DeployEvent
from helios.errors import DeployError
from support.aws_account import Account

ID = "helios-0-1-0:1f2e"


def a_build(status: str, *phases: dict[str, Any], tag: str = "t1") -> dict[str, Any]:
    return {
        "id": ID,
        "buildStatus": status,
        "phases": list(phases),
        "environment": {
            "type": "LINUX_CONTAINER",
            "image": "any",
            "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": [{"name": "TAG", "value": tag}],
        },
        "logs": {"groupName": "/aws/codebuild/helios-0-1-0", "streamName": "1f2e"},
    }


FAILED = {
    "phaseType": "BUILD",
    "phaseStatus": "FAILED",
    "contexts": [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": "docker build: exit status 1"}],
}
DONE = {"phaseType": "QUEUED", "phaseStatus": "SUCCEEDED"}


def followed(*answers: dict[str, Any]) -> list[DeployEvent]:
    events: list[DeployEvent] = []

    async def all_of_it() -> None:
        session = new_session()
        async with client(session, "codebuild") as codebuild, client(session, "logs") as logs:
            with AioStubber(codebuild) as stubber:
                for answer in answers:
                    stubber.add_response("batch_get_builds", {"builds": [answer]}, {"ids": [ID]})
                await follow(codebuild, logs, ID, events.append)
                stubber.assert_no_pending_responses()

    asyncio.run(all_of_it())
    return events


def test_each_phase_is_shown_once(account: Account) -> None:
    assert followed(a_build("SUCCEEDED", DONE, {"phaseType": "BUILD", "phaseStatus": "SUCCEEDED"})) == [
        BuildProgressed(phase="QUEUED", status="SUCCEEDED"),
        BuildProgressed(phase="BUILD", status="SUCCEEDED"),
    ]


def test_a_failure_comes_with_its_reason_and_the_end_of_its_log(account: Account) -> None:
    logs = account.aws("logs")
    logs.create_log_group(logGroupName="/aws/codebuild/helios-0-1-0")
    logs.create_log_stream(logGroupName="/aws/codebuild/helios-0-1-0", logStreamName="1f2e")
    now = logs.describe_log_groups()["logGroups"][0]["creationTime"]
    logs.put_log_events(
        logGroupName="/aws/codebuild/helios-0-1-0",
        logStreamName="1f2e",
        logEvents=[{"timestamp": now, "message": f"line {line}\n"} for line in range(LOG_LINES + 5)],
    )
    with pytest.raises(DeployError) as failure:
        followed(a_build("FAILED", DONE, FAILED))
    first, *log = str(failure.value).splitlines()
    assert first == "the image build failed: FAILED in BUILD: docker build: exit status 1"
    assert log == [f"line {line}" for line in range(5, LOG_LINES + 5)]


def test_a_failure_without_a_log_is_reported(account: Account) -> None:
    with pytest.raises(DeployError, match=r"exit status 1 \(its log can't be read: ResourceNotFoundException\)$"):
        followed(a_build("FAILED", FAILED))


def test_a_build_that_was_stopped_is_a_failure(account: Account) -> None:
    with pytest.raises(DeployError, match="STOPPED"):
        followed(a_build("STOPPED", DONE))


@pytest.mark.parametrize(("tag", "starts"), [("t1", False), ("t2", True)])
def test_a_running_build_of_the_same_image_is_followed(
    account: Account, monkeypatch: pytest.MonkeyPatch, tag: str, starts: bool
) -> None:
    """Other images' builds are left alone."""
    events: list[DeployEvent] = []
    session = new_session()
    plain: Any = session.create_client

    def stubbed(service: str, **options: Any) -> Any:
        context = plain(service, **options)
        if service != "codebuild":
            return context
        return Stubbed(context, tag, starts)

    monkeypatch.setattr(session, "create_client", stubbed)
    asyncio.run(build(session, "helios-0-1-0", tag, "bucket/context/t.zip", events.append))
    assert any("already in progress" in str(event) for event in events) is not starts


class Stubbed:
    """A client of CodeBuild with scripted responses."""

    def __init__(self, context: Any, tag: str, starts: bool) -> None:
        self.context, self.tag, self.starts = context, tag, starts

    async def __aenter__(self) -> Any:
        self.client = await self.context.__aenter__()
        self.stubber = stubber = AioStubber(self.client)
        stubber.add_response("list_builds_for_project", {"ids": [ID]})
        stubber.add_response("batch_get_builds", {"builds": [a_build("IN_PROGRESS", DONE)]}, {"ids": [ID]})
        if self.starts:
            stubber.add_response(
                "start_build",
                {"build": {"id": ID}},
                {
                    "projectName": "helios-0-1-0",
                    "sourceTypeOverride": "S3",
                    "sourceLocationOverride": "bucket/context/t.zip",
                    "environmentVariablesOverride": [{"name": "TAG", "value": self.tag, "type": "PLAINTEXT"}],
                },
            )
        stubber.add_response("batch_get_builds", {"builds": [a_build("SUCCEEDED", DONE)]}, {"ids": [ID]})
        stubber.activate()
        return self.client

    async def __aexit__(self, *error: Any) -> None:
        if error[0] is None:
            self.stubber.assert_no_pending_responses()
        await self.context.__aexit__(*error)
