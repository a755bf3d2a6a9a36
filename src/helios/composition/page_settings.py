"""The settings of a page, whichever part of it is drawn."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, field_validator

from helios.composition.cue import Cue
from helios.errors import UsageError

Network = Literal["none", "public", "all"]
"""What a page may reach beside its own folder: nothing, public addresses, or all that this machine can reach."""


class PageSettings(BaseModel):
    """How a page is opened.

    ``props`` is JSON that the page reads as ``window.helios.props``. ``ready_timeout`` is the number of seconds that
    the page may take to become ready, before frame 0 and at any frame. ``network`` limits its network access.
    With ``alpha`` its background is transparent instead of white. ``captions`` are drawn over it; they do not overlap
    in time.

    Raises:
        UsageError: ``ready_timeout`` is not above 0 and finite.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    props: Any = None
    ready_timeout: float = 30.0
    network: Network = "all"
    alpha: bool = False
    captions: tuple[Cue, ...] = ()

    @field_validator("ready_timeout")
    @classmethod
    def _check_timeout(cls, seconds: float) -> float:
        if not 0 < seconds < math.inf:
            raise UsageError(f"ready-timeout must be above 0 seconds and finite, not {seconds:g}")
        return seconds

    def with_props(self, props: Any) -> PageSettings:
        """These settings with other ``props``."""
        return self.model_copy(update={"props": props})
