"""Helios renders web pages into exact video, in parallel chunks.

import helios

film = helios.render_sync("page.html", "out.mp4", duration=8)
print(film.frames, film.seconds)
"""

from importlib import import_module
from typing import TYPE_CHECKING

from helios.errors import (
    BrowserError,
    CaptureUnsafe,
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

if TYPE_CHECKING:
    from helios.api import CompositionOptions, RenderOptions, render, render_events, render_sync, still, stitch
    from helios.orchestrator import Rendered, RenderEvent

__version__ = "0.1.0"

__all__ = [
    "BrowserError",
    "CaptureUnsafe",
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

_IN_ORCHESTRATOR = {"RenderEvent", "Rendered"}


def __getattr__(name: str) -> object:
    """Loads the verbs when they are first asked for: a renderer's process, which is of this package too, never does."""
    if name not in __all__:
        raise AttributeError(f"module 'helios' has no attribute {name!r}")
    return getattr(import_module("helios.orchestrator" if name in _IN_ORCHESTRATOR else "helios.api"), name)
