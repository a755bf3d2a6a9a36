"""Having the function's image built in the account, by CodeBuild, from a context in the bucket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiobotocore.session import AioSession
from botocore.exceptions import ClientError

from helios.clouds.aws.failures import error_code
from helios.clouds.aws.session import client
from helios.clouds.events import Building, Said, Show
from helios.errors import DeployError

POLL = 3.0
"""Seconds between two looks at a build."""
LOG_LINES = 20
_CONTEXT = "context"


async def is_built(session: AioSession, repository: str, tag: str) -> bool:
    """Whether the repository has an image of that tag."""
    async with client(session, "ecr") as ecr:
        try:
            await ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
        except ClientError as error:
            if error_code(error) in ("ImageNotFoundException", "RepositoryNotFoundException"):
                return False
            raise
    return True


async def image_address(session: AioSession, repository: str) -> str:
    """The URI of a repository, to which an image's tag belongs."""
    async with client(session, "ecr") as ecr:
        return (await ecr.describe_repositories(repositoryNames=[repository]))["repositories"][0]["repositoryUri"]


async def upload(session: AioSession, bucket: str, tag: str, context: bytes) -> str:
    """Puts the zipped context into the bucket; where CodeBuild finds it."""
    key = f"{_CONTEXT}/{tag}.zip"
    async with client(session, "s3") as s3:
        await s3.put_object(Bucket=bucket, Key=key, Body=context)
    return f"{bucket}/{key}"


async def build(session: AioSession, project: str, tag: str, location: str, show: Show) -> None:
    """Builds and pushes the image of a tag. A build of it that is under way already is followed instead.

    Raises:
        DeployError: it could not be built; the end of its log is in the message.
    """
    async with client(session, "codebuild") as codebuild, client(session, "logs") as logs:
        running = await _under_way(codebuild, project, tag)
        if running is None:
            started = await codebuild.start_build(
                projectName=project,
                sourceTypeOverride="S3",
                sourceLocationOverride=location,
                environmentVariablesOverride=[{"name": "TAG", "value": tag, "type": "PLAINTEXT"}],
            )
            running = started["build"]["id"]
            show(Said(message=f"the image is built by CodeBuild, which takes some minutes: {running}"))
        else:
            show(Said(message=f"the image is being built already: {running}"))
        await follow(codebuild, logs, running, show)


async def follow(codebuild: Any, logs: Any, id: str, show: Show) -> None:
    """Shows the phases of a build until it is done.

    Raises:
        DeployError: it failed; the end of its log is in the message.
    """
    shown: dict[str, str] = {}
    while True:
        found = (await codebuild.batch_get_builds(ids=[id]))["builds"][0]
        for phase in found.get("phases", []):
            name, status = phase["phaseType"], phase.get("phaseStatus", "IN_PROGRESS")
            if shown.get(name) != status:
                shown[name] = status
                show(Building(phase=name, status=status))
        if found["buildStatus"] == "SUCCEEDED":
            return
        if found["buildStatus"] != "IN_PROGRESS":
            raise DeployError(await _why(logs, found))
        await asyncio.sleep(POLL)


async def _under_way(codebuild: Any, project: str, tag: str) -> str | None:
    ids = (await codebuild.list_builds_for_project(projectName=project, sortOrder="DESCENDING"))["ids"][:10]
    if not ids:
        return None
    for found in (await codebuild.batch_get_builds(ids=ids))["builds"]:
        variables = {item["name"]: item["value"] for item in found["environment"].get("environmentVariables", [])}
        if found["buildStatus"] == "IN_PROGRESS" and variables.get("TAG") == tag:
            return found["id"]
    return None


async def _why(logs: Any, build: Mapping[str, Any]) -> str:
    """What failed, the reason that CodeBuild gives, and the end of the log where there is one."""
    failed: list[dict[str, Any]] = [
        phase for phase in build.get("phases", []) if phase.get("phaseStatus") not in (None, "SUCCEEDED")
    ]
    line = f"the image could not be built: {build['buildStatus']}"
    if failed:
        reasons = [context.get("message", "") for context in failed[0].get("contexts", [])]
        line += f" in {failed[0]['phaseType']}: {' '.join(' '.join(reasons).split()) or 'no reason is given'}"
    where = build.get("logs", {})
    if "groupName" not in where or "streamName" not in where:
        return line
    try:
        events = await logs.get_log_events(
            logGroupName=where["groupName"], logStreamName=where["streamName"], limit=LOG_LINES, startFromHead=False
        )
    except ClientError as error:
        return f"{line} (its log can't be read: {error_code(error)})"
    return "\n".join([line, *(event["message"].rstrip("\n") for event in events["events"])])
