"""One CloudFormation stack: its state, planned changes, and applying them."""

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

from helios.clouds.aws.errors import error_code
from helios.clouds.aws.session import client
from helios.clouds.events import Change, ChangesPlanned, ResourceChanged, Show
from helios.errors import DeployError

VERSION_TAG = "helios:version"
"""The tag that marks a stack of Helios. CloudFormation copies it to the stack's resources."""
POLL = 2.0
"""Seconds between two requests for a status."""
_GOOD = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
NO_REASON = "AWS gave no reason"
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


def template() -> str:
    """Returns the current template."""
    return files("helios.clouds.aws").joinpath("template.yaml").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class StackState:
    """The state of a stack. ``version`` is empty if the stack is not one of Helios.

    ``resources`` maps names in the template to AWS' names. Unlike outputs, a stack that failed has them too.
    """

    id: str
    name: str
    status: str
    version: str
    parameters: Mapping[str, str]
    resources: Mapping[str, str]

    @property
    def is_complete(self) -> bool:
        """Whether its last change succeeded."""
        return self.status in _GOOD

    @property
    def is_changing(self) -> bool:
        """Whether a change is in progress."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    @property
    def is_empty(self) -> bool:
        """Whether it was never created, so that it must be deleted first."""
        return self.status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "REVIEW_IN_PROGRESS")


async def read_stack(cloudformation: Any, stack: Mapping[str, Any]) -> StackState:
    """Returns the state of a stack that CloudFormation describes."""
    resources = (await cloudformation.describe_stack_resources(StackName=stack["StackId"]))["StackResources"]
    existing = [item for item in resources if item.get("ResourceStatus") not in ("DELETE_COMPLETE", "DELETE_SKIPPED")]
    return StackState(
        id=stack["StackId"],
        name=stack["StackName"],
        status=stack["StackStatus"],
        version={tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}.get(VERSION_TAG, ""),
        parameters={item["ParameterKey"]: item["ParameterValue"] for item in stack.get("Parameters", [])},
        resources={
            item["LogicalResourceId"]: item["PhysicalResourceId"] for item in existing if "PhysicalResourceId" in item
        },
    )


@asynccontextmanager
async def open_stack(session: AioSession, name: str, show: Show) -> AsyncGenerator[Stack]:
    """Opens the stack of that name, which need not exist."""
    async with client(session, "cloudformation") as cloudformation:
        yield Stack(cloudformation, name, show)


class Stack:
    """A stack by its name. ``show`` gets the events of its resources."""

    def __init__(self, cloudformation: Any, name: str, show: Show) -> None:
        self._aws = cloudformation
        self._name = name
        self._show = show
        self._seen: set[str] = set()
        self._first_failure = ""

    async def read(self, id: str | None = None) -> StackState | None:
        """Returns the state; None if there is no such stack. An ``id`` also finds a deleted one."""
        try:
            answer = await self._aws.describe_stacks(StackName=id or self._name)
        except ClientError as error:
            if error_code(error) == "ValidationError" and "does not exist" in str(error):
                return None
            raise
        return await read_stack(self._aws, answer["Stacks"][0])

    async def template(self) -> str:
        """Returns the template that the stack was last changed with."""
        return (await self._aws.get_template(StackName=self._name, TemplateStage="Original"))["TemplateBody"]

    async def propose(self, parameters: Mapping[str, str], *, create: bool) -> tuple[str, ChangesPlanned] | None:
        """Returns a change set's id and its changes; None if nothing would change.

        Raises:
            DeployError: CloudFormation can't create the change set.
        """
        try:
            created = await self._aws.create_change_set(
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
        changes = await self._changes(created["Id"])
        return (created["Id"], ChangesPlanned(name=self._name, changes=changes)) if changes is not None else None

    async def discard(self, change_set: str) -> None:
        """Deletes a change set, and the stack if it was never created."""
        await self._aws.delete_change_set(ChangeSetName=change_set, StackName=self._name)
        found = await self.read()
        if found and found.status == "REVIEW_IN_PROGRESS":
            await self.delete()

    async def execute(self, change_set: str) -> StackState:
        """Executes a change set and waits for the end.

        Raises:
            DeployError: a resource could not be changed; CloudFormation rolls back.
        """
        await self._skip_past_events()
        await self._aws.execute_change_set(ChangeSetName=change_set, StackName=self._name)
        return await self._settle(started=False)

    async def wait(self) -> StackState:
        """Waits for a change in progress.

        Raises:
            DeployError: it failed, and why.
        """
        await self._skip_past_events()
        return await self._settle(started=True)

    async def delete(self) -> None:
        """Deletes the stack and waits for the end.

        Raises:
            DeployError: a resource can't be deleted.
        """
        found = await self.read()
        if found is None:
            return
        await self._skip_past_events()
        await self._aws.delete_stack(StackName=self._name)
        while (now := await self.read(found.id)) and now.status != "DELETE_COMPLETE":
            await self._report_new_events(found.id)
            if now.status == "DELETE_FAILED":
                raise DeployError(f"the stack {self._name} can't be deleted: {self._first_failure or NO_REASON}")
            await asyncio.sleep(POLL)

    async def _settle(self, *, started: bool) -> StackState:
        """Waits for the end of a change; if it has not ``started``, for its first event before that."""
        while True:
            found = await self.read()
            started = await self._report_new_events(self._name) or started
            if found is None:
                raise DeployError(f"the stack {self._name} was deleted in the meantime: run the command again")
            if started and not found.is_changing and found.status != "REVIEW_IN_PROGRESS":
                break
            await asyncio.sleep(POLL)
        if not found.is_complete:
            raise DeployError(f"the stack {self._name} is in state {found.status}: {self._first_failure or NO_REASON}")
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
                reason = page.get("StatusReason", NO_REASON)
                if any(words in reason for words in _NO_CHANGES):
                    return None
                raise DeployError(f"CloudFormation rejects the change to the stack {self._name}: {reason}")
            await asyncio.sleep(POLL)

    async def _events(self, stack: str) -> list[dict[str, Any]]:
        return (await self._aws.describe_stack_events(StackName=stack))["StackEvents"]

    async def _skip_past_events(self) -> None:
        self._first_failure = ""
        self._seen |= {event["EventId"] for event in await self._events(self._name)}

    async def _report_new_events(self, stack: str) -> bool:
        """Shows new events and returns whether there were any. The first failure is the cause of the others."""
        known = len(self._seen)
        for event in reversed(await self._events(stack)):
            resource, status = event["LogicalResourceId"], event["ResourceStatus"]
            reason = event.get("ResourceStatusReason", "")
            if event["EventId"] in self._seen:
                continue
            self._seen.add(event["EventId"])
            self._show(ResourceChanged(resource=resource, status=status, reason=reason))
            if status.endswith("_FAILED") and not self._first_failure and "cancelled" not in reason:
                self._first_failure = f"{resource}: {reason}"
        return len(self._seen) > known


def _change(change: Mapping[str, Any]) -> Change:
    action = change["Action"]
    return Change(
        action=action,
        resource=change["LogicalResourceId"],
        kind=change["ResourceType"],
        destroys_data=action == "Remove"
        or (action == "Modify" and change.get("Replacement") in ("True", "Conditional")),
    )
