"""A text that is shown for a while."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Cue(BaseModel):
    """A subtitle: ``text``, from ``start_ms`` to ``end_ms`` (not included) of the video, in milliseconds.

    Its lines end with ``\\n``; ``<i>``, ``<b>`` and ``<u>`` mark what is italic, bold and underlined, and everything
    else means itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_ms: int = Field(ge=0)
    end_ms: int = Field(ge=0)
    text: str
