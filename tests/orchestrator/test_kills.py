"""Whatever is killed in the middle of a render, the video comes out exact or the error is clear."""

import os
import signal
import stat
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import psutil
import pytest

import helios
from helios.orchestrator.retry import RetryPolicy
from support.processes import named
from support.videos import assert_exact

PAGE = """<!doctype html><style>@keyframes k{to{transform:translateX(250px) rotate(90deg)}}
p{width:60px;height:60px;background:linear-gradient(red,blue);animation:k 2s infinite alternate}</style><p>a</p>"""


def render(page: Path, output: Path, **options: Any) -> helios.RenderResult:
    return helios.render_sync(page, output, width=1280, height=720, **options)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.html"
    path.write_text(PAGE)
    return path


def render_killing(
    page: Path, output: Path, find: Callable[[], list[psutil.Process]], times: int
) -> tuple[helios.RenderResult, list[helios.RenderEvent]]:
    """Renders 30 frames in 3 chunks, killing what `find` finds at the first progress of as many attempts."""
    events: list[helios.RenderEvent] = []
    killed: set[tuple[int, int]] = set()
    attempt: dict[int, int] = {}

    def on_event(event: helios.RenderEvent) -> None:
        events.append(event)
        if event.event == "chunk-started":
            attempt[event.chunk] = event.attempt
        elif event.event == "chunk-progressed" and event.frames < 5 and len(killed) < times:
            key = (event.chunk, attempt[event.chunk])
            if key not in killed and (found := find()):
                found[0].kill()
                killed.add(key)

    rendered = render(page, output, frames=30, chunk_frames=10, workers=1, on_event=on_event)
    assert len(killed) == times
    return rendered, events


def workers() -> list[psutil.Process]:
    return named(os.getpid(), "helios.renderer", "chunk")


def browsers() -> list[psutil.Process]:
    processes = named(os.getpid(), "--headless", "--remote-debugging-pipe")
    # Debian's command is a shell script around the browser.
    return [one for one in processes if "--type=" not in " ".join(one.cmdline()) and "/sh" not in one.cmdline()[0]]


def page_processes() -> list[psutil.Process]:
    processes = named(os.getpid(), "--type=renderer")
    return [max(processes, key=lambda one: one.create_time())] if processes else []  # about:blank has one too


@pytest.mark.parametrize("find", [workers, browsers, page_processes])
def test_a_kill_in_mid_chunk_costs_an_attempt_and_the_video_is_exact(
    find: Callable[[], list[psutil.Process]], page: Path, tmp_path: Path
) -> None:
    undisturbed = render(page, tmp_path / "a.mp4", frames=30)
    rendered, events = render_killing(page, tmp_path / "b.mp4", find, times=2)
    assert rendered.hashes == undisturbed.hashes
    assert rendered.attempts == 5
    assert_exact(tmp_path / "b.mp4", 30, Fraction(30))
    failed = [event for event in events if event.event == "chunk-attempt-failed"]
    assert [event.retried for event in failed] == [True, True]
    assert all("(at frame " in event.error for event in failed)
    assert named(os.getpid(), "chrom") == []


def test_a_worker_that_stands_still_is_given_up_and_its_chunk_made_by_another(page: Path, tmp_path: Path) -> None:
    events: list[helios.RenderEvent] = []
    stopped: list[psutil.Process] = []

    def on_event(event: helios.RenderEvent) -> None:
        events.append(event)
        if event.event == "chunk-progressed" and not stopped:
            stopped.extend(workers())
            for worker in stopped:
                worker.suspend()

    rendered = render(
        page, tmp_path / "a.mp4", frames=30, chunk_frames=10, workers=2, ready_timeout=1, on_event=on_event
    )
    assert stopped
    assert rendered.frames == 30
    failed = [event for event in events if event.event == "chunk-attempt-failed"]
    assert {(event.code, event.retried) for event in failed} == {("stalled", True)}
    assert "no heartbeat for" in failed[0].error
    assert_exact(tmp_path / "a.mp4", 30, Fraction(30))
    assert named(os.getpid(), "helios.renderer") == named(os.getpid(), "chrom") == []


def test_a_chunk_that_always_fails_ends_the_job_with_its_causes(page: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    with pytest.raises(helios.ChunkFailed) as caught:
        render_killing(page, output / "a.mp4", workers, times=99)
    error = caught.value
    assert len(error.causes) == RetryPolicy().maximum_attempts
    assert "SIGKILL" in str(error)
    assert f"chunk {error.chunk} (frames {error.chunk * 10}:{error.chunk * 10 + 10})" in str(error)
    assert "helios.renderer chunk spec.json" in str(error), "the command, for repeating it"
    assert list(output.iterdir()) == []
    assert named(os.getpid(), "chrom") == []


def test_a_page_that_fails_later_stops_the_other_chunks_at_once(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><script>helios.seek = (s) => { if (s > 0.5) helios.hold('never there') }</script>")
    output = tmp_path / "out"
    output.mkdir()
    with pytest.raises(helios.PageError, match="never there"):
        render(page, output / "a.mp4", frames=600, chunk_frames=20, workers=2, ready_timeout=1)
    assert list(output.iterdir()) == []
    assert named(os.getpid(), "helios.renderer") == []


def test_an_ffmpeg_that_is_killed_is_started_again(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from helios.stitcher.binary import find_ffmpeg

    once = tmp_path / "killed"
    tool = tmp_path / "ffmpeg"
    tool.write_text(f'#!/bin/sh\n[ -e {once} ] || {{ : > {once}; kill -9 $$; }}\nexec {find_ffmpeg()} "$@"\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("HELIOS_FFMPEG", str(tool))
    render(page, tmp_path / "a.mp4", frames=6, chunk_frames=3)
    assert once.exists()
    assert_exact(tmp_path / "a.mp4", 6, Fraction(30))


def test_a_worker_exits_with_the_process_that_started_it(page: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    from support.processes import alive, descendants, wait_until

    command = [
        sys.executable,
        "-m",
        "helios",
        "render",
        str(page),
        "-o",
        str(tmp_path / "a.mp4"),
        "--frames",
        "9999",
        "--json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout
        assert any('"chunk-progressed"' in line for line in job.stdout)
        family = descendants(job.pid)
        assert len(family) > 3
        job.send_signal(signal.SIGKILL)
        wait_until(lambda: not any(alive(process) for process in family), "workers and browsers to end")
