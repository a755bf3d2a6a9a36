"""The events of a deployment. ``helios deploy aws|gcp --json`` prints one per line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(_Event):
    """A change to one resource. ``destroys_data`` says whether its content would be lost."""

    action: str
    resource: str
    kind: str
    destroys_data: bool = False


class ChangesPlanned(_Event):
    """All changes to a deployment, before the first one is applied."""

    event: Literal["changes-planned"] = "changes-planned"
    name: str
    changes: tuple[Change, ...]


class ResourceChanged(_Event):
    """A resource of the deployment, or the deployment itself, entered another state."""

    event: Literal["resource-changed"] = "resource-changed"
    resource: str
    status: str
    reason: str = ""


class BuildProgressed(_Event):
    """The build of the image entered another phase, or a phase changed its status."""

    event: Literal["build-progressed"] = "build-progressed"
    phase: str
    status: str


class MessageIssued(_Event):
    """A line for people."""

    event: Literal["message-issued"] = "message-issued"
    message: str


DeployEvent = ChangesPlanned | ResourceChanged | BuildProgressed | MessageIssued
Show = Callable[[DeployEvent], None]
Confirm = Callable[[str], bool]
"""Returns whether to continue although the data named in the line is lost; False if there is no one to ask."""
