"""What ``helios deploy check`` tells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was looked at; ``fine`` is None if that could not be. ``mend`` is what to do about it."""

    name: str
    fine: bool | None
    found: str
    mend: str = ""
