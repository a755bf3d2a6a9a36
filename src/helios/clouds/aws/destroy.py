"""Removes a deployment with all its data."""

from __future__ import annotations

from aiobotocore.session import AioSession
from botocore.exceptions import ClientError

from helios.clouds.aws.deployment import read_deployment
from helios.clouds.aws.errors import error_code
from helios.clouds.aws.session import client
from helios.clouds.aws.stack import open_stack
from helios.clouds.events import Confirm, MessageIssued, Show
from helios.errors import UsageError

_BATCH = 100


async def destroy(session: AioSession, name: str, *, show: Show, confirm: Confirm) -> None:
    """Shows the data that would be lost; if ``confirm`` agrees, removes all files, the images and the stack.

    Raises:
        UsageError: there is no such deployment, or ``confirm`` refused.
        DeployError: a resource can't be removed.
    """
    async with open_stack(session, name, show) as stack:
        found = await stack.read()
        if found is None or not found.version:
            raise UsageError(f"there is no deployment {name}: helios deploy list shows all")
        if found.is_changing:
            raise UsageError(f"the stack {name} is changing ({found.status}): try again when it has finished")
        bucket = read_deployment(found).bucket
        files, size = await _measure(session, bucket)
        images = await _images(session, name)
        line = (
            f"{name} in {read_deployment(found).region} (Helios {found.version}) would be removed permanently: "
            f"its function, {len(images)} images, and {files} files ({size / 1e6:.1f} MB) in {bucket or 'no bucket'}"
        )
        show(MessageIssued(message=line))
        if not confirm(line):
            raise UsageError(f"{name} was not removed: confirm with --yes")
        await _empty(session, bucket)
        await _remove_images(session, name, images)
        await stack.delete()
        show(MessageIssued(message=f"{name} was removed"))


async def _measure(session: AioSession, bucket: str) -> tuple[int, int]:
    """Returns the number of files in a bucket, each version counted, and their bytes."""
    files = size = 0
    if not bucket:
        return files, size
    async with client(session, "s3") as s3:
        try:
            async for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
                files += len(page.get("Versions", []))
                size += sum(version["Size"] for version in page.get("Versions", []))
        except ClientError as error:
            if error_code(error) != "NoSuchBucket":
                raise
    return files, size


async def _empty(session: AioSession, bucket: str) -> None:
    if not bucket:
        return
    async with client(session, "s3") as s3:
        try:
            async for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
                keys = [
                    {"Key": item["Key"], "VersionId": item["VersionId"]}
                    for item in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
                ]
                if keys:
                    await s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        except ClientError as error:
            if error_code(error) != "NoSuchBucket":
                raise


async def _images(session: AioSession, repository: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    async with client(session, "ecr") as ecr:
        try:
            async for page in ecr.get_paginator("list_images").paginate(repositoryName=repository):
                found += page["imageIds"]
        except ClientError as error:
            if error_code(error) != "RepositoryNotFoundException":
                raise
    return list({image["imageDigest"]: {"imageDigest": image["imageDigest"]} for image in found}.values())


async def _remove_images(session: AioSession, repository: str, images: list[dict[str, str]]) -> None:
    async with client(session, "ecr") as ecr:
        for first in range(0, len(images), _BATCH):
            await ecr.batch_delete_image(repositoryName=repository, imageIds=images[first : first + _BATCH])
