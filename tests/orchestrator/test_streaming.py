"""A cancelled stream stops in order: nothing writes to it afterwards."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from support.segments import make_segment

SCRIPT = """
import asyncio, sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from helios.orchestrator import Chunk
from helios.orchestrator.chunk_cache import CacheEntry, ChunkCache, ChunkStats, file_digest
from helios.orchestrator.streaming import streaming
from helios.storage import ArtifactStore

folder = Path(sys.argv[1])
parts = (Chunk(0, 0, 8_000), Chunk(1, 8_000, 16_000))
plan = SimpleNamespace(composition=SimpleNamespace(fps=Fraction(25)), parts=parts)

async def main():
    store = ArtifactStore.at(folder / "store")
    cache = ChunkCache(store, "job", None)
    segment = folder / "segment.mp4"
    await store.put("segments/a/0.1.mp4", segment)
    entry = CacheEntry(segment="segments/a/0.1.mp4", size=segment.stat().st_size, digest=file_digest(segment), inputs="", stats=ChunkStats(frames=8_000))
    stream = folder / "stream"
    async def write():
        async with streaming(stream, plan, cache, folder / "work", None, print) as prefix:
            prefix.add(parts[0], entry)
            await asyncio.Event().wait()
    work = asyncio.create_task(write())
    while not list(stream.glob("*.m4s*")):
        assert not work.done()
        await asyncio.sleep(0)
    if sys.argv[2] == "interrupt":
        raise KeyboardInterrupt
    for _ in range(int(sys.argv[2])):
        work.cancel()
        await asyncio.sleep(0)
    await asyncio.wait([work])
    assert work.cancelled()
    written = {path.name: path.stat().st_mtime_ns for path in stream.iterdir()}
    assert "index.m3u8" in written
    await asyncio.get_running_loop().shutdown_default_executor()
    assert written == {path.name: path.stat().st_mtime_ns for path in stream.iterdir()}

try:
    asyncio.run(main())
except KeyboardInterrupt:
    assert sys.argv[2] == "interrupt"
"""


@pytest.mark.parametrize("how", ["1", "3", "interrupt"])
def test_a_stream_that_is_cancelled_while_it_adds_a_segment_stops_first(how: str, tmp_path: Path) -> None:
    make_segment(tmp_path / "segment.mp4", 8_000, Fraction(25), options={"preset": "ultrafast", "g": "25"})
    for attempt in range(2):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        (folder / "segment.mp4").hardlink_to(tmp_path / "segment.mp4")
        finished = subprocess.run(
            [sys.executable, "-c", SCRIPT, folder, how], stderr=subprocess.PIPE, text=True, check=False
        )
        assert finished.returncode == 0, finished.stderr
