"""What happens to a deployment, as typed events. ``helios deploy aws|gcp --json`` prints them, a line each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(_Event):
    """What would be done to one resource. ``loses`` says whether what it holds would be gone."""

    action: str
    resource: str
    kind: str
    loses: bool


class Proposed(_Event):
    """All that would be changed in a deployment, before anything is."""

    event: Literal["proposed"] = "proposed"
    name: str
    changes: tuple[Change, ...]


class ResourceChanged(_Event):
    """A resource of the deployment, or the whole, came into another state."""

    event: Literal["resource-changed"] = "resource-changed"
    resource: str
    status: str
    reason: str


class Building(_Event):
    """The build of the image came to another phase."""

    event: Literal["building"] = "building"
    phase: str
    status: str


class Said(_Event):
    """Something that is worth a line."""

    event: Literal["message"] = "message"
    message: str


DeployEvent = Proposed | ResourceChanged | Building | Said
Show = Callable[[DeployEvent], None]
Confirm = Callable[[str], bool]
"""Asks whether to go on although what the line says is lost; False where nobody can be asked."""
