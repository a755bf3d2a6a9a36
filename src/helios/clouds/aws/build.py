"""Builds the function's image in the account, with CodeBuild, from a context in the bucket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiobotocore.session import AioSession
from botocore.exceptions import ClientError

from helios.clouds.aws.errors import error_code
from helios.clouds.aws.session import client
from helios.clouds.aws.stack import NO_REASON
from helios.clouds.events import BuildProgressed, MessageIssued, Show
from helios.errors import DeployError

POLL = 3.0
"""Seconds between two requests for a build's status."""
LOG_LINES = 20
_CONTEXT = "context"


async def is_built(session: AioSession, repository: str, tag: str) -> bool:
    """Returns whether the repository has an image with that tag."""
    async with client(session, "ecr") as ecr:
        try:
            await ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
        except ClientError as error:
            if error_code(error) in ("ImageNotFoundException", "RepositoryNotFoundException"):
                return False
            raise
    return True


async def repository_uri(session: AioSession, repository: str) -> str:
    """Returns the URI of a repository, without a tag."""
    async with client(session, "ecr") as ecr:
        return (await ecr.describe_repositories(repositoryNames=[repository]))["repositories"][0]["repositoryUri"]


async def upload(session: AioSession, bucket: str, tag: str, context: bytes) -> str:
    """Uploads the zipped context and returns its location for CodeBuild."""
    key = f"{_CONTEXT}/{tag}.zip"
    async with client(session, "s3") as s3:
        await s3.put_object(Bucket=bucket, Key=key, Body=context)
    return f"{bucket}/{key}"


async def build(session: AioSession, project: str, tag: str, location: str, show: Show) -> None:
    """Builds and pushes the image of a tag, or waits for a build of it that is in progress.

    Raises:
        DeployError: the build failed; the message has the end of its log.
    """
    async with client(session, "codebuild") as codebuild, client(session, "logs") as logs:
        running = await _find_running(codebuild, project, tag)
        if running is None:
            started = await codebuild.start_build(
                projectName=project,
                sourceTypeOverride="S3",
                sourceLocationOverride=location,
                environmentVariablesOverride=[{"name": "TAG", "value": tag, "type": "PLAINTEXT"}],
            )
            running = started["build"]["id"]
            show(MessageIssued(message=f"CodeBuild builds the image, which takes some minutes: {running}"))
        else:
            show(MessageIssued(message=f"a build of the image is already in progress: {running}"))
        await follow(codebuild, logs, running, show)


async def follow(codebuild: Any, logs: Any, id: str, show: Show) -> None:
    """Shows the phases of a build and waits for its end.

    Raises:
        DeployError: the build failed; the message has the end of its log.
    """
    shown: dict[str, str] = {}
    while True:
        found = (await codebuild.batch_get_builds(ids=[id]))["builds"][0]
        for phase in found.get("phases", []):
            name, status = phase["phaseType"], phase.get("phaseStatus", "IN_PROGRESS")
            if shown.get(name) != status:
                shown[name] = status
                show(BuildProgressed(phase=name, status=status))
        if found["buildStatus"] == "SUCCEEDED":
            return
        if found["buildStatus"] != "IN_PROGRESS":
            raise DeployError(await _describe_failure(logs, found))
        await asyncio.sleep(POLL)


async def _find_running(codebuild: Any, project: str, tag: str) -> str | None:
    ids = (await codebuild.list_builds_for_project(projectName=project, sortOrder="DESCENDING"))["ids"][:10]
    if not ids:
        return None
    for found in (await codebuild.batch_get_builds(ids=ids))["builds"]:
        variables = {item["name"]: item["value"] for item in found["environment"].get("environmentVariables", [])}
        if found["buildStatus"] == "IN_PROGRESS" and variables.get("TAG") == tag:
            return found["id"]
    return None


async def _describe_failure(logs: Any, build: Mapping[str, Any]) -> str:
    """Returns the phase that failed, CodeBuild's reason, and the end of the log if there is one."""
    failed: list[dict[str, Any]] = [
        phase for phase in build.get("phases", []) if phase.get("phaseStatus") not in (None, "SUCCEEDED")
    ]
    line = f"the image build failed: {build['buildStatus']}"
    if failed:
        reasons = [context.get("message", "") for context in failed[0].get("contexts", [])]
        line += f" in {failed[0]['phaseType']}: {' '.join(' '.join(reasons).split()) or NO_REASON}"
    log = build.get("logs", {})
    if "groupName" not in log or "streamName" not in log:
        return line
    try:
        events = await logs.get_log_events(
            logGroupName=log["groupName"], logStreamName=log["streamName"], limit=LOG_LINES, startFromHead=False
        )
    except ClientError as error:
        return f"{line} (its log can't be read: {error_code(error)})"
    return "\n".join([line, *(event["message"].rstrip("\n") for event in events["events"])])
