"""One CloudFormation stack: what it is, what would change, changing it, and following that."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from aiobotocore.session import AioSession
from botocore.exceptions import ClientError

from helios.clouds.aws.failures import error_code
from helios.clouds.aws.session import client
from helios.clouds.events import Change, Proposed, ResourceChanged, Show
from helios.errors import DeployError

VERSION_TAG = "helios:version"
"""The tag by which a stack is known to be Helios'. CloudFormation puts it on all that is in the stack, too."""
POLL = 2.0
"""Seconds between two looks at something that is under way."""
_GOOD = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


def template() -> str:
    """The stack's template."""
    return files("helios.clouds.aws").joinpath("template.yaml").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Found:
    """A stack as it is. ``version`` is empty where it isn't one of Helios'.

    ``resources`` are the names that AWS knows its resources by, under their names in the template. Unlike outputs, they
    are there in a stack that failed, too.
    """

    id: str
    name: str
    status: str
    version: str
    parameters: Mapping[str, str]
    resources: Mapping[str, str]

    @property
    def whole(self) -> bool:
        """Whether its last change went through."""
        return self.status in _GOOD

    @property
    def busy(self) -> bool:
        """Whether it is being changed."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    @property
    def husk(self) -> bool:
        """Whether nothing but its name is left, so that it must go before it can be made."""
        return self.status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "REVIEW_IN_PROGRESS")


async def stack_state(cloudformation: Any, stack: Mapping[str, Any]) -> Found:
    """A stack that CloudFormation describes, with its resources."""
    inside = (await cloudformation.describe_stack_resources(StackName=stack["StackId"]))["StackResources"]
    there = [item for item in inside if item.get("ResourceStatus") not in ("DELETE_COMPLETE", "DELETE_SKIPPED")]
    return Found(
        id=stack["StackId"],
        name=stack["StackName"],
        status=stack["StackStatus"],
        version={tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}.get(VERSION_TAG, ""),
        parameters={item["ParameterKey"]: item["ParameterValue"] for item in stack.get("Parameters", [])},
        resources={
            item["LogicalResourceId"]: item["PhysicalResourceId"] for item in there if "PhysicalResourceId" in item
        },
    )


@asynccontextmanager
async def open_stack(session: AioSession, name: str, show: Show) -> AsyncGenerator[Stack]:
    """The stack of that name, whether it is there or not."""
    async with client(session, "cloudformation") as cloudformation:
        yield Stack(cloudformation, name, show)


class Stack:
    """A stack by its name. What happens to its resources is shown as it happens."""

    def __init__(self, cloudformation: Any, name: str, show: Show) -> None:
        self._aws = cloudformation
        self._name = name
        self._show = show
        self._seen: set[str] = set()
        self._failed = ""

    async def look(self, id: str | None = None) -> Found | None:
        """The stack as it is; None where it isn't. By its id, one that was deleted is found too."""
        try:
            answer = await self._aws.describe_stacks(StackName=id or self._name)
        except ClientError as error:
            if error_code(error) == "ValidationError" and "does not exist" in str(error):
                return None
            raise
        return await stack_state(self._aws, answer["Stacks"][0])

    async def template(self) -> str:
        """The template that it was made by, as it was written."""
        return (await self._aws.get_template(StackName=self._name, TemplateStage="Original"))["TemplateBody"]

    async def propose(self, parameters: Mapping[str, str], *, create: bool) -> tuple[str, Proposed] | None:
        """What would change, and the id of the change set that would do it; None where nothing would.

        Raises:
            DeployError: CloudFormation can't make a change set of it.
        """
        try:
            made = await self._aws.create_change_set(
                StackName=self._name,
                ChangeSetName=f"helios-{uuid.uuid4().hex}",
                ChangeSetType="CREATE" if create else "UPDATE",
                TemplateBody=template(),
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
                Capabilities=["CAPABILITY_IAM"],
                Tags=[{"Key": VERSION_TAG, "Value": parameters["HeliosVersion"]}],
            )
        except ClientError as error:
            if any(words in str(error) for words in _NO_CHANGES):
                return None
            raise
        changes = await self._changes(made["Id"])
        return (made["Id"], Proposed(name=self._name, changes=changes)) if changes is not None else None

    async def discard(self, change_set: str) -> None:
        """Removes a change set, and the stack if there is nothing more of it."""
        await self._aws.delete_change_set(ChangeSetName=change_set, StackName=self._name)
        found = await self.look()
        if found and found.status == "REVIEW_IN_PROGRESS":
            await self.delete()

    async def execute(self, change_set: str) -> Found:
        """Does what a change set says, and waits until it is done.

        Raises:
            DeployError: a resource could not be changed; what was done is taken back.
        """
        await self._note_what_was()
        await self._aws.execute_change_set(ChangeSetName=change_set, StackName=self._name)
        return await self._settle(started=False)

    async def wait(self) -> Found:
        """Waits until what another has started is done.

        Raises:
            DeployError: it did not end well, and why.
        """
        await self._note_what_was()
        return await self._settle(started=True)

    async def delete(self) -> None:
        """Deletes it, and waits until it is gone.

        Raises:
            DeployError: something of it can't be deleted.
        """
        found = await self.look()
        if found is None:
            return
        await self._note_what_was()
        await self._aws.delete_stack(StackName=self._name)
        while (now := await self.look(found.id)) and now.status != "DELETE_COMPLETE":
            await self._report_new_events(found.id)
            if now.status == "DELETE_FAILED":
                raise DeployError(f"the stack {self._name} can't be deleted: {self._failed or 'no reason is given'}")
            await asyncio.sleep(POLL)

    async def _settle(self, *, started: bool) -> Found:
        """Waits for the end, and, where it may not have ``started`` yet, for its first event before that."""
        while True:
            found = await self.look()
            started = await self._report_new_events(self._name) or started
            if found is None:
                raise DeployError(f"the stack {self._name} is gone: somebody has deleted it meanwhile")
            if started and not found.busy and found.status != "REVIEW_IN_PROGRESS":
                break
            await asyncio.sleep(POLL)
        if not found.whole:
            raise DeployError(
                f"the stack {self._name} is in state {found.status}: {self._failed or 'no reason is given'}"
            )
        return found

    async def _changes(self, change_set: str) -> tuple[Change, ...] | None:
        while True:
            changes: list[Change] = []
            pages = self._aws.get_paginator("describe_change_set")
            page: dict[str, Any] = {}
            async for page in pages.paginate(ChangeSetName=change_set, StackName=self._name):
                changes += [_change(item["ResourceChange"]) for item in page.get("Changes", [])]
            if page["Status"] == "CREATE_COMPLETE":
                return tuple(changes)
            if page["Status"] == "FAILED":
                await self.discard(change_set)
                reason = page.get("StatusReason", "no reason is given")
                if any(words in reason for words in _NO_CHANGES):
                    return None
                raise DeployError(f"CloudFormation can't change the stack {self._name} so: {reason}")
            await asyncio.sleep(POLL)

    async def _events(self, stack: str) -> list[dict[str, Any]]:
        return (await self._aws.describe_stack_events(StackName=stack))["StackEvents"]

    async def _note_what_was(self) -> None:
        self._failed = ""
        self._seen |= {event["EventId"] for event in await self._events(self._name)}

    async def _report_new_events(self, stack: str) -> bool:
        """Shows what has happened since, if anything has; keeps its first failure, the cause of the others."""
        known = len(self._seen)
        for event in reversed(await self._events(stack)):
            resource, status = event["LogicalResourceId"], event["ResourceStatus"]
            reason = event.get("ResourceStatusReason", "")
            if event["EventId"] in self._seen:
                continue
            self._seen.add(event["EventId"])
            self._show(ResourceChanged(resource=resource, status=status, reason=reason))
            if status.endswith("_FAILED") and not self._failed and "cancelled" not in reason:
                self._failed = f"{resource}: {reason}"
        return len(self._seen) > known


def _change(change: Mapping[str, Any]) -> Change:
    action = change["Action"]
    return Change(
        action=action,
        resource=change["LogicalResourceId"],
        kind=change["ResourceType"],
        loses=action == "Remove" or (action == "Modify" and change.get("Replacement") in ("True", "Conditional")),
    )
