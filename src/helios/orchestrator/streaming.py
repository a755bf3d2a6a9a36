"""The finished part of a video as a stream, for players that start before the rest is rendered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from helios.composition import timescale
from helios.errors import HeliosError
from helios.orchestrator.chunk_cache import CacheEntry, ChunkCache
from helios.orchestrator.chunks import Chunk
from helios.orchestrator.events import EventSink, PlaylistUpdated, WarningIssued
from helios.orchestrator.pages import RenderPlan
from helios.orchestrator.waiting import in_thread
from helios.stitcher.hls import PLAYLIST, HlsStream


class Prefix:
    """Committed chunks in the order of the video: each is available as soon as all before it are."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[Chunk, CacheEntry]] = {}
        self._next = 0
        self._added = asyncio.Event()

    def add(self, chunk: Chunk, entry: CacheEntry) -> None:
        """Adds a committed chunk."""
        self._entries[chunk.index] = chunk, entry
        self._added.set()

    async def take(self) -> tuple[Chunk, CacheEntry]:
        """The next chunk of the video, once it is committed."""
        while self._next not in self._entries:
            self._added.clear()
            await self._added.wait()
        self._next += 1
        return self._entries.pop(self._next - 1)


@asynccontextmanager
async def streaming(
    target: Path,
    plan: RenderPlan,
    cache: ChunkCache,
    folder: Path,
    audio: Callable[[], Awaitable[Path]] | None,
    emit: EventSink,
) -> AsyncGenerator[Prefix]:
    """Writes committed chunks of ``plan`` into a stream in the folder ``target``. It creates ``folder`` to work in.

    An error of the stream is a warning: the video is rendered all the same.
    """
    prefix = Prefix()
    work = asyncio.create_task(_stream(prefix, target, plan, cache, folder, audio, emit))
    try:
        yield prefix
        await work
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


async def _stream(
    prefix: Prefix,
    target: Path,
    plan: RenderPlan,
    cache: ChunkCache,
    folder: Path,
    audio: Callable[[], Awaitable[Path]] | None,
    emit: EventSink,
) -> None:
    stream = None
    try:
        mixed = await audio() if audio else None
        folder.mkdir(parents=True)
        stream = await in_thread(HlsStream, target, timescale(plan.composition.fps), mixed)
        frames = 0
        for _ in plan.parts:
            chunk, entry = await prefix.take()
            segment = folder / f"segment{Path(entry.segment).suffix}"
            await cache.download(entry, segment)
            await in_thread(stream.add, segment)
            segment.unlink()
            if frames:
                emit(PlaylistUpdated(playlist=target / PLAYLIST, frames=frames))
            frames += chunk.frames
        await in_thread(stream.finish)
        stream = None
        emit(PlaylistUpdated(playlist=target / PLAYLIST, frames=frames))
    except HeliosError as error:
        emit(WarningIssued(message=f"the video can't be played before it is finished: {error}"))
    finally:
        if stream:
            stream.abandon()
