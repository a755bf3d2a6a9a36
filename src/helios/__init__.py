"""Helios renders web pages into exact video, in parallel chunks.

import helios

film = helios.render_sync("page.html", "out.mp4", duration=8)
print(film.frames, film.seconds)
"""

from helios.api import CompositionOptions, RenderOptions, render, render_events, render_sync, still, stitch
from helios.errors import (
    BrowserError,
    ChunkFailed,
    CommandNotFound,
    HeliosError,
    MissingTool,
    OutputError,
    PageError,
    StitchError,
    UsageError,
    WorkerError,
    WorkerTimeout,
)
from helios.orchestrator import Rendered, RenderEvent

__version__ = "0.1.0"

__all__ = [
    "BrowserError",
    "ChunkFailed",
    "CommandNotFound",
    "CompositionOptions",
    "HeliosError",
    "MissingTool",
    "OutputError",
    "PageError",
    "RenderEvent",
    "RenderOptions",
    "Rendered",
    "StitchError",
    "UsageError",
    "WorkerError",
    "WorkerTimeout",
    "__version__",
    "render",
    "render_events",
    "render_sync",
    "still",
    "stitch",
]
