"""How a video is drawn where fast capture can't draw it."""

from __future__ import annotations

from collections.abc import Sequence

from helios.errors import BrowserError, CaptureBroken, CaptureUnsafe, ChunkFailed
from helios.orchestrator.pages import RenderPlan
from helios.renderer.messages import FAST, CaptureMethod


def next_method(methods: Sequence[CaptureMethod], failed: CaptureMethod, code: str) -> CaptureMethod | None:
    """The method of ``methods`` that may draw what ``failed`` could not; ``code`` is that of its error.

    All fast methods put the page on the stage. So where one of them broke the browser, no other is tried.
    """
    others = methods[methods.index(failed) + 1 :] if failed in FAST else ()
    return next((method for method in others if code == CaptureUnsafe.code or method not in FAST), None)


def fallback(plan: RenderPlan, error: CaptureUnsafe | ChunkFailed) -> RenderPlan:
    """The plan that draws the same video in another way.

    Raises:
        CaptureUnsafe, ChunkFailed: there is none; the error says what to do.
    """
    if isinstance(error, ChunkFailed) and not isinstance(error.__cause__, BrowserError):
        raise error
    plans = [plan]
    while plans[-1].fallback:
        plans.append(plans[-1].fallback)
    method = next_method([each.probe.capture for each in plans], plan.probe.capture, error.code)
    if method is None:
        raise error if isinstance(error, ChunkFailed) else advised(error, plan.encoding.encoder)
    return next(each for each in plans if each.probe.capture == method)


def advised(error: CaptureUnsafe, encoder: str) -> CaptureUnsafe:
    """The error for a video that may only be drawn fast."""
    kind = CaptureBroken if isinstance(error, CaptureBroken) else CaptureUnsafe
    return kind(advice(str(error), encoder))


def advice(reason: str, encoder: str) -> str:
    """What to say where a video may only be drawn fast."""
    what = "--encoder ffmpeg" if encoder == "browser" else "--capture faithful or auto"
    return f"fast capture can't draw this page: {reason}. Use {what}"
