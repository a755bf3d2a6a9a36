"""Mixes the audio of a video while its chunks render."""

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
"""Seconds in which a mix that is stopped may end by itself."""


@asynccontextmanager
async def mixing(
    audio: AudioSettings, plan: RenderPlan, folder: Path, container: str, emit: EventSink
) -> AsyncGenerator[Callable[[], Awaitable[Path]]]:
    """Begins to mix; what is given waits for the file, in ``folder``. Leaving the block stops it.

    ``container`` is the ending of the video's name.
    """
    from helios.audio.mix import mix

    stopped = threading.Event()
    frames = range(plan.chunks[0].start, plan.chunks[-1].stop)
    video = plan.composition
    work = asyncio.create_task(
        in_daemon(mix, audio, frames, video.frames, video.fps, folder, container, stopped=stopped)
    )

    async def mixed() -> Path:
        found = await asyncio.shield(work)
        while found.warnings:
            emit(WarningIssued(message=found.warnings.pop(0)))
        return found.path

    try:
        yield mixed
    finally:
        stopped.set()
        with contextlib.suppress(Exception):  # Stopped, or what ``mixed`` has raised already
            async with asyncio.timeout(_GRACE):  # it may hang in a request
                await work
