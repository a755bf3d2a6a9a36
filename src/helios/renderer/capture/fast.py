"""Fast capture draws pages in a way that browsers are seldom asked for: a few pages crash or hang them there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from helios.errors import CaptureBroken, HeliosError
from helios.renderer.browser.devtools import ProcessCrashed, ResponseTimeout
from helios.renderer.messages import FAST, CaptureMethod

T = TypeVar("T")

BREAKDOWN = (ProcessCrashed, ResponseTimeout)
"""What the page may be the cause of. A process that was killed is none of these."""


async def draw_safely(method: CaptureMethod, draw: Callable[[Path], Awaitable[T]], workspace: Path) -> T:
    """The result of ``draw``, which gets an empty folder. Where a fast method breaks the browser down, it is called
    once more.

    Raises:
        CaptureBroken: the browser broke down both times.
        HeliosError: as ``draw``.
    """
    if method not in FAST:
        return await draw(workspace)
    try:
        return await draw(workspace)
    except BREAKDOWN:
        pass
    try:
        return await draw(workspace / "again")
    except BREAKDOWN as error:
        raise broken(error) from error


def broken(error: HeliosError) -> CaptureBroken:
    """The error for a page on which fast capture breaks the browser."""
    breaks = "hangs" if isinstance(error, ResponseTimeout) else "crashes"
    return CaptureBroken(f"it {breaks} the browser ({error}; tried twice)")
