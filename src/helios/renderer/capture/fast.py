"""Retries of fast capture: it uses rare features of browsers, and a few pages crash or hang them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from helios.errors import CaptureBroken, HeliosError
from helios.renderer.browser.devtools import ProcessCrashed, ResponseTimeout
from helios.renderer.messages import FAST, CaptureMethod

T = TypeVar("T")

BREAKDOWN = (ProcessCrashed, ResponseTimeout)
"""Errors that the page may cause. A process that was killed is not one of them."""


async def draw_safely(method: CaptureMethod, draw: Callable[[Path], Awaitable[T]], workspace: Path) -> T:
    """Returns the result of ``draw``, which gets an empty folder; calls it again where a fast method crashes or hangs
    the browser.

    Raises:
        CaptureBroken: the browser crashed or hung both times.
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
        raise make_capture_broken(error) from error


def make_capture_broken(error: HeliosError) -> CaptureBroken:
    """Returns the error for a page with which fast capture crashes or hangs the browser."""
    breaks = "hangs" if isinstance(error, ResponseTimeout) else "crashes"
    return CaptureBroken(f"it {breaks} the browser ({error}; tried twice)")
