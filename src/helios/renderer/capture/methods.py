"""The capture methods by name."""

from __future__ import annotations

from fractions import Fraction

from helios.renderer.browser.page import Page
from helios.renderer.capture.base import Capture
from helios.renderer.capture.faithful import BeginFrameCapture, ScreenshotCapture
from helios.renderer.capture.stage import StageCapture
from helios.renderer.messages import CaptureMethod


def create_capture(method: CaptureMethod, page: Page, fps: Fraction) -> Capture:
    """Returns a capture of ``page`` with that method."""
    match method:
        case "canvas" | "stage":
            return StageCapture(page, fps)
        case "begin-frame":
            return BeginFrameCapture(page, fps)
        case "screenshot":
            return ScreenshotCapture(page, fps)
