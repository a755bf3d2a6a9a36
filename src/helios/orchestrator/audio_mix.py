"""The video's audio, mixed while workers render the chunks."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from helios.audio import AudioSettings
from helios.orchestrator.events import EventSink, WarningIssued
from helios.orchestrator.pages import RenderPlan
from helios.threads import in_daemon

_GRACE = 1.0
"""Seconds that a mix gets to stop by itself."""


@asynccontextmanager
async def mixing(
    audio: AudioSettings, plan: RenderPlan, folder: Path, container: str, emit: EventSink
) -> AsyncGenerator[Callable[[], Awaitable[Path]]]:
    """Starts to mix ``audio`` into a file in ``folder``; yields a function that waits for the file.

    Leaving the block stops the mix. ``container`` is the suffix of the video's name.
    """
    from helios.audio.mix import mix

    stopped = threading.Event()
    frames = range(plan.chunks[0].start, plan.chunks[-1].stop)
    video = plan.composition
    work = asyncio.create_task(
        in_daemon(mix, audio, frames, video.frames, video.fps, folder, container, stopped=stopped)
    )

    async def mixed_file() -> Path:
        mixed = await asyncio.shield(work)
        while mixed.warnings:
            emit(WarningIssued(message=mixed.warnings.pop(0)))
        return mixed.path

    try:
        yield mixed_file
    finally:
        stopped.set()
        with contextlib.suppress(Exception):  # stopped, or raised by ``mixed_file`` already
            async with asyncio.timeout(_GRACE):  # it may hang in a request
                await work
