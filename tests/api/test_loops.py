"""The synchronous verbs work in every thread, and the asynchronous ones never block the caller's event loop."""

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import helios
from support.processes import named

PAGE = "<!doctype html><meta name=helios content='width=64, height=64, fps=25, duration=0.2'><p>page</p>"
BLOCKING = ("open", "sqlite3.connect", "subprocess.Popen", "os.system", "socket.connect", "time.sleep", "shutil.rmtree")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "page.html").write_text(PAGE)
    return tmp_path / "page.html"


class LoopWatch:
    """Notes blocking calls (audit events) of one thread."""

    def __init__(self) -> None:
        self.thread: int | None = None
        self.calls: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.thread is not None and event in BLOCKING and threading.get_ident() == self.thread:
            self.calls.append(f"{event} {arguments!r:.100}")

    def run(self, work: Any) -> Any:
        async def watched() -> Any:
            coroutine = work()
            self.thread = threading.get_ident()
            try:
                return await coroutine
            finally:
                self.thread = None

        return asyncio.run(watched())


WATCH = LoopWatch()


def test_the_watch_sees_what_blocks_a_loop(page: Path) -> None:
    async def read() -> bytes:
        return page.read_bytes()

    WATCH.calls.clear()
    WATCH.run(read)
    assert any(call.startswith("open") for call in WATCH.calls)


@pytest.mark.parametrize("verb", ["render", "create_job", "estimate", "still", "batch", "stitch"])
def test_no_verb_blocks_the_callers_loop(verb: str, page: Path) -> None:
    folder = page.parent
    calls: dict[str, Any] = {
        "render": lambda: helios.render(page, folder / "a.mp4", capture="faithful"),
        "create_job": lambda: helios.create_job(page, folder / "a.mp4", capture="faithful"),
        "estimate": lambda: helios.estimate(page, counts=[1], capture="faithful"),
        "still": lambda: helios.still(page, folder / "a.png"),
        "batch": lambda: helios.batch(page, [{"a": 1}], str(folder / "{row}.mp4"), capture="faithful"),
        "stitch": lambda: helios.stitch([folder / "none.mp4"], folder / "b.mp4"),
    }
    WATCH.calls.clear()
    if verb == "stitch":
        with pytest.raises(helios.StitchError):
            WATCH.run(calls[verb])
    else:
        WATCH.run(calls[verb])
    assert WATCH.calls == []


def test_a_submitted_job_belongs_to_no_thread_and_submitting_blocks_no_loop(page: Path) -> None:
    WATCH.calls.clear()
    job = WATCH.run(lambda: helios.submit(page, page.with_name("a.mp4"), capture="faithful"))
    assert WATCH.calls == []
    assert asyncio.run(job.result()).frames == 5


def test_a_loop_goes_on_while_a_verb_holds_its_own(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticked = threading.Event()

    def wait_for_ticks(*_: object) -> None:
        assert ticked.wait(60), "the caller's loop stood still"

    monkeypatch.setattr("helios.api.videos.check_text", wait_for_ticks)

    async def tick() -> None:
        for _ in range(100):
            await asyncio.sleep(0)
        ticked.set()

    async def both() -> None:
        await asyncio.gather(helios.still(page, page.with_name("a.png")), tick())

    asyncio.run(both())


def test_render_sync_works_where_a_loop_is_running(page: Path) -> None:
    async def inside() -> helios.RenderResult:
        return helios.render_sync(page, page.with_name("a.mp4"), capture="faithful")

    assert asyncio.run(inside()).frames == 5


def test_render_sync_works_in_two_threads_in_parallel(page: Path) -> None:
    def render(name: str) -> helios.RenderResult:
        return helios.render_sync(page, page.with_name(name), capture="faithful")

    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(render, ("a.mp4", "b.mp4"))
    assert one.hashes == other.hashes
    assert (page.with_name("a.mp4").is_file(), page.with_name("b.mp4").is_file()) == (True, True)


def test_batch_sync_works_where_a_loop_is_running(page: Path) -> None:
    async def inside() -> tuple[helios.VideoResult, ...]:
        return helios.batch_sync(page, [{"a": 1}], str(page.with_name("{row}.mp4")), capture="faithful")

    (result,) = asyncio.run(inside())
    assert result.error is None


def test_events_arrive_in_the_callers_thread_and_in_order(page: Path) -> None:
    threads: list[int] = []
    kinds: list[str] = []

    def note(event: helios.RenderEvent) -> None:
        threads.append(threading.get_ident())
        kinds.append(event.event)

    asyncio.run(helios.render(page, page.with_name("a.mp4"), capture="faithful", on_event=note))
    assert set(threads) == {threading.get_ident()}
    assert (kinds[0], kinds[-1]) == ("render-planned", "render-finished")


def test_an_error_in_on_event_stops_the_render_and_is_raised(page: Path) -> None:
    def fail(event: helios.RenderEvent) -> None:
        raise KeyError(event.event)

    with pytest.raises(KeyError, match="render-planned"):
        asyncio.run(helios.render(page, page.with_name("a.mp4"), frames=5000, on_event=fail))
    assert named(os.getpid(), "helios.renderer") == []
    assert not page.with_name("a.mp4").exists()


def test_cancelling_a_render_ends_its_processes(page: Path) -> None:
    async def run() -> None:
        drawing = asyncio.Event()

        def note(event: helios.RenderEvent) -> None:
            if event.event == "chunk-progressed":
                drawing.set()

        work = asyncio.create_task(helios.render(page, page.with_name("a.mp4"), frames=5000, on_event=note))
        await drawing.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(run())
    assert named(os.getpid(), "helios.renderer") == []
