"""The video as far as it is finished, for players that begin before its end."""

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
    """Chunks that were made, in order: each is handed on as soon as all before it are there."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[Chunk, CacheEntry]] = {}
        self._next = 0
        self._news = asyncio.Event()

    def add(self, chunk: Chunk, record: CacheEntry) -> None:
        """A chunk was made."""
        self._made[chunk.index] = chunk, record
        self._news.set()

    async def take(self) -> tuple[Chunk, CacheEntry]:
        """The next chunk of the video, once it is made."""
        while self._next not in self._made:
            self._news.clear()
            await self._news.wait()
        self._next += 1
        return self._made.pop(self._next - 1)


@asynccontextmanager
async def streaming(
    target: Path,
    plan: RenderPlan,
    cache: ChunkCache,
    folder: Path,
    audio: Callable[[], Awaitable[Path]] | None,
    emit: EventSink,
) -> AsyncGenerator[Prefix]:
    """Puts chunks of ``plan`` that are made into a stream in the folder ``target``; it works in ``folder``, which is
    made.

    What keeps the stream from being written is warned of: the video is made all the same.
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
        heard = await audio() if audio else None
        folder.mkdir(parents=True)
        stream = await in_thread(HlsStream, target, timescale(plan.composition.fps), heard)
        frames = 0
        for _ in plan.parts:
            chunk, record = await prefix.take()
            segment = folder / f"segment{Path(record.segment).suffix}"
            await cache.bring(record, segment)
            await in_thread(stream.add, segment)
            segment.unlink()
            if frames:
                emit(PlaylistUpdated(playlist=target / PLAYLIST, frames=frames))
            frames += chunk.frames
        await in_thread(stream.finish)
        stream = None
        emit(PlaylistUpdated(playlist=target / PLAYLIST, frames=frames))
    except HeliosError as error:
        emit(WarningIssued(message=f"the video can't be played before its end: {error}"))
    finally:
        if stream:
            stream.abandon()
