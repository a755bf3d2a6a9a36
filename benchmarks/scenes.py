"""What is rendered: the same three scenes for everyone."""

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
"""What the benchmarks install and write. Git ignores it."""

SCENES = ("dom", "canvas", "static")
SIZE = (1920, 1080)
FPS = Fraction(30)
ENCODING = Encoding(codec="h264", crf=20, preset="veryfast")


def page(scene: str) -> Path:
    """The scene as a plain page."""
    return HERE / "pages" / f"{scene}.html"


def composition(scene: str, frames: int) -> Composition:
    """The scene as the renderer takes it."""
    return Composition(source=Source.parse(str(page(scene))), width=SIZE[0], height=SIZE[1], fps=FPS, frames=frames)


@asynccontextmanager
async def opened(scene: str, capture: CaptureMethod) -> AsyncGenerator[Page]:
    """The scene in a browser of its own, before its first frame."""
    with tempfile.TemporaryDirectory(prefix="helios-bench-", ignore_cleanup_errors=True) as folder:
        async with open_page(Source.parse(str(page(scene))), SIZE, capture, Path(folder)) as opening:
            yield opening
