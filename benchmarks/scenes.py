"""The three scenes that all contenders render."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path

from helios.composition import Composition, Source
from helios.renderer.browser.browser import open_page
from helios.renderer.browser.page import Page
from helios.renderer.messages import CaptureMethod, Encoding

HERE = Path(__file__).parent
WORK = HERE / ".work"
"""The folder for installed peers and outputs. Git ignores it."""

SCENES = ("dom", "canvas", "static")
SIZE = (1920, 1080)
FPS = Fraction(30)
ENCODING = Encoding(codec="h264", crf=20, preset="veryfast")


def page(scene: str) -> Path:
    """Returns the scene's page."""
    return HERE / "pages" / f"{scene}.html"


def composition(scene: str, frames: int) -> Composition:
    """Returns the scene's composition."""
    return Composition(source=Source.parse(str(page(scene))), width=SIZE[0], height=SIZE[1], fps=FPS, frames=frames)


@asynccontextmanager
async def opened(scene: str, capture: CaptureMethod) -> AsyncGenerator[Page]:
    """Opens the scene in its own browser, before its first frame."""
    with tempfile.TemporaryDirectory(prefix="helios-bench-", ignore_cleanup_errors=True) as folder:
        async with open_page(Source.parse(str(page(scene))), SIZE, capture, Path(folder)) as opening:
            yield opening
