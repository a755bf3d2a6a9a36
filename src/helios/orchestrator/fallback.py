"""The next way to render a video when fast capture, a split or a segment turned out to be bad."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from helios.errors import BrowserError, CaptureBroken, CaptureUnsafe, ChunkFailed, HeliosError
from helios.orchestrator.chunk_cache import Damaged
from helios.orchestrator.commands import CommandPlan
from helios.orchestrator.pages import RenderPlan
from helios.orchestrator.seams import SeamBroken
from helios.renderer.messages import FAST, CaptureMethod

RECOVERABLE = (Damaged, CaptureUnsafe, ChunkFailed, SeamBroken)
"""Errors of a run after which another plan may render the video."""

_MAXIMUM_RUNS = 3
"""Runs of a job that may find damaged segments in the cache."""

_log = logging.getLogger(__name__)


class Fallback:
    """Replaces the plans of ``job`` after they failed."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._damaged_runs = 0

    def next_plan(self, plan: RenderPlan | CommandPlan, error: HeliosError) -> tuple[RenderPlan | CommandPlan, str]:
        """The plan to run after ``plan`` has failed with one of ``RECOVERABLE``, and the warning for it.

        Raises:
            HeliosError: ``error``, with advice, as there is no other plan.
        """
        changed, warning = self._replace(plan, error)
        _log.info("the plan has changed", extra={"job": self._job, "reason": str(error)})
        return changed, warning

    def _replace(self, plan: RenderPlan | CommandPlan, error: HeliosError) -> tuple[RenderPlan | CommandPlan, str]:
        if isinstance(error, Damaged):
            self._damaged_runs += 1
            if self._damaged_runs == _MAXIMUM_RUNS:
                raise error
            return plan, f"{error}. Helios renders it again"
        if not isinstance(plan, RenderPlan):
            raise error
        if isinstance(error, SeamBroken):
            return plan.whole(), f"this page can't be rendered in parts: {error}. Helios renders it again in one chunk"
        assert isinstance(error, CaptureUnsafe | ChunkFailed), "the errors of RECOVERABLE"
        other = fallback_plan(plan, error)
        how = "" if other.probe.capture in FAST else " with faithful capture"
        return other, f"fast capture is not safe for this page: {error}. Helios renders it again{how}"


def next_method(methods: Sequence[CaptureMethod], failed: CaptureMethod, code: str) -> CaptureMethod | None:
    """The method of ``methods`` that may capture what ``failed`` could not; ``code`` is that of its error.

    All fast methods put the page on the stage. So where one of them broke the browser, no other is tried.
    """
    others = methods[methods.index(failed) + 1 :] if failed in FAST else ()
    return next((method for method in others if code == CaptureUnsafe.code or method not in FAST), None)


def fallback_plan(plan: RenderPlan, error: CaptureUnsafe | ChunkFailed) -> RenderPlan:
    """The plan that renders the same video with another capture method.

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
        raise error if isinstance(error, ChunkFailed) else with_advice(error, plan.encoding.encoder)
    return next(each for each in plans if each.probe.capture == method)


def with_advice(error: CaptureUnsafe, encoder: str) -> CaptureUnsafe:
    """The error for a video that may only be captured fast."""
    kind = CaptureBroken if isinstance(error, CaptureBroken) else CaptureUnsafe
    return kind(advise(str(error), encoder))


def advise(reason: str, encoder: str) -> str:
    """The message for a video that may only be captured fast, but can't be for ``reason``."""
    option = "--encoder ffmpeg" if encoder == "browser" else "--capture faithful or auto"
    return f"fast capture can't render this page: {reason}. Use {option}"
