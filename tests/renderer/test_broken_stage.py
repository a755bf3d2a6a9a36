"""Where fast capture crashes or hangs the browser, a video is drawn faithfully."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from stage_pages import capture_methods, warnings

import helios
from support.gates import gated
from support.processes import alive, descendants, named, wait_until
from support.videos import image_pixels

FRAMES = 60
SIZE = (320, 180)
CRASHES = "<div style='opacity:0'><div style='backface-visibility:hidden'>x</div></div>"
"""Chromium crashes when it draws this into a canvas."""
AT_ONCE = (
    f"<!doctype html><body>{CRASHES}<i id=box style='position:absolute;width:20px;height:20px;background:#357'></i>"
)
LATER = """<!doctype html><body><div id=outer><div id=inner>x</div></div>
<i id=box style='position:absolute;width:20px;height:20px;background:#357'></i><script>
requestAnimationFrame(function loop(t) {
  const frame = Math.round((t * 30) / 1000);
  box.style.left = `${frame * 3}px`;
  if (frame >= 40 && (helios.props?.crashes ?? true)) {
    outer.style.opacity = 0;
    inner.style.backfaceVisibility = "hidden";
  }
  requestAnimationFrame(loop);
});
</script>"""
"""It has to be stepped through, so the probe does not see the frame at which Chromium crashes."""
PAGES = {"at once": AT_ONCE, "later": LATER}


def write(folder: Path, page: str) -> Path:
    path = folder / "page.html"
    path.write_text(page)
    return path


def render(source: Path | str, output: Path, **options: Any) -> tuple[helios.RenderResult, list[helios.RenderEvent]]:
    events: list[helios.RenderEvent] = []
    options = {"frames": FRAMES, "workers": 1, "preset": "ultrafast", "on_event": events.append, **options}
    return helios.render_sync(source, output, width=SIZE[0], height=SIZE[1], **options), events


@pytest.mark.parametrize(("when", "tried"), [("at once", ["begin-frame"]), ("later", ["stage", "begin-frame"])])
def test_a_page_that_crashes_the_stage_is_drawn_faithfully(when: str, tried: list[str], tmp_path: Path) -> None:
    page = write(tmp_path, PAGES[when])
    faithful, _ = render(page, tmp_path / "faithful.mp4", capture="faithful")
    rendered, events = render(page, tmp_path / "auto.mp4", chunk_frames=20)
    assert rendered.hashes == faithful.hashes
    assert capture_methods(events) == tried
    [warning] = warnings(events)
    assert "crashes the browser (the page's process crashed; tried twice)" in warning
    assert warning.endswith("Helios captures it faithfully instead" if len(tried) == 1 else "with faithful capture")
    assert named(os.getpid(), "chrom") == []


@pytest.mark.parametrize("when", PAGES)
def test_fast_capture_that_was_asked_for_says_what_to_do_instead(when: str, tmp_path: Path) -> None:
    page = write(tmp_path, PAGES[when])
    with pytest.raises(helios.CaptureBroken) as caught:
        render(page, tmp_path / "a.mp4", capture="fast")
    assert str(caught.value) == (
        "fast capture can't render this page: it crashes the browser (the page's process crashed; tried twice). "
        "Use --capture faithful or auto"
    )
    assert not (tmp_path / "a.mp4").exists()


@pytest.mark.parametrize("when", PAGES)
def test_the_command_draws_it_too(when: str, tmp_path: Path) -> None:
    page = write(tmp_path, PAGES[when])
    command = [sys.executable, "-m", "helios", "render", str(page), "-o", str(tmp_path / "a.mp4"), "--json"]
    options = ["--frames", "50", "--width", "320", "--height", "180", "--preset", "ultrafast"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1])["frames"] == 50


def test_a_still_of_it_is_drawn(tmp_path: Path) -> None:
    page = write(tmp_path, AT_ONCE)
    asyncio.run(helios.still(page, tmp_path / "a.png", frame=0, width=SIZE[0], height=SIZE[1], frames=1))
    assert (image_pixels(tmp_path / "a.png") == (0x33, 0x55, 0x77)).all(axis=2).any()


def test_in_a_batch_only_videos_that_crash_the_stage_are_drawn_faithfully(tmp_path: Path) -> None:
    page = write(tmp_path, LATER)
    rows = [{"name": "a", "crashes": False}, {"name": "b", "crashes": True}, {"name": "c", "crashes": False}]

    def batch(**options: Any) -> tuple[tuple[helios.VideoResult, ...], list[helios.BatchEvent]]:
        events: list[helios.BatchEvent] = []
        options = {"workers": 1, "preset": "ultrafast", "fresh": True, "on_event": events.append, **options}
        size = {"width": SIZE[0], "height": SIZE[1], "frames": FRAMES}
        return helios.batch_sync(page, rows, f"{tmp_path}/{{name}}.mp4", **size, **options), events

    results, events = batch()
    faithful, _ = render(page, tmp_path / "alone.mp4", capture="faithful", props=rows[1])
    assert [result.outcome for result in results] == ["rendered", "rendered", "rendered"]
    hashes = {event.row: event.hashes for event in events if event.event == "video-rendered"}
    assert hashes[2] == faithful.hashes
    [warning] = [event.message for event in events if event.event == "warning-issued"]
    assert warning.startswith("row 2: fast capture is not safe: it crashes the browser")

    results, events = batch(capture="fast")
    assert [result.outcome for result in results] == ["rendered", "failed", "rendered"]
    assert str(results[1].error).endswith("Use --capture faithful or auto")


GATED = """<!doctype html><body><p id=shown></p><script>
helios.seek = async (s) => {
  shown.style.marginLeft = `${s * 100}px`;
  if (Math.round(s * 30) === 30) await fetch("gate.txt");
};
</script><p style="width:90px;height:90px;background:linear-gradient(45deg,red,blue);border-radius:30px"></p>"""


@pytest.mark.parametrize(
    ("words", "how", "reason"),
    [
        ("--type=gpu-process", signal.SIGSTOP, "it hangs the browser"),
        ("--type=gpu-process", signal.SIGSEGV, "it crashes the browser (the GPU process of the browser crashed"),
        ("--type=renderer", signal.SIGSEGV, "it crashes the browser (the page's process crashed"),
        ("--type=renderer", signal.SIGKILL, "the page's process was killed"),
    ],
)
def test_whatever_breaks_fast_capture_again_and_again_has_the_video_drawn_faithfully(
    words: str, how: signal.Signals, reason: str, tmp_path: Path
) -> None:
    """A process that is killed costs all attempts first: any of them may have been for lack of memory."""
    events: list[helios.RenderEvent] = []
    hurt = 0

    def at_gate(path: str) -> None:
        nonlocal hurt
        if capture_methods(events) != ["stage"]:
            return
        for worker in named(os.getpid(), "helios.renderer", "chunk"):
            for process in named(worker.pid, words):
                process.send_signal(how)
                if how != signal.SIGSTOP:
                    wait_until(lambda process=process: not alive(process), "a process to end")
            hurt += 1

    (tmp_path / "gate.txt").touch()
    (tmp_path / "index.html").write_text(GATED)
    with gated(tmp_path, lambda path: None) as url:
        faithful, _ = render(url, tmp_path / "faithful.mp4", capture="faithful")
    with gated(tmp_path, at_gate) as url:
        rendered, _ = render(url, tmp_path / "a.mp4", ready_timeout=5, on_event=events.append)
    assert capture_methods(events) == ["stage", "begin-frame"]
    assert rendered.hashes == faithful.hashes
    assert hurt == (4 if how == signal.SIGKILL else 2)
    [warning] = warnings(events)
    assert reason in warning
    wait_until(lambda: not [one for one in descendants(os.getpid()) if "chrom" in one.name()], "browsers to end")


@pytest.mark.parametrize("words", ["--type=gpu-process", "--type=renderer"])
def test_a_crash_that_does_not_come_again_changes_no_frame(words: str, tmp_path: Path) -> None:
    crashed: list[int] = []

    def at_gate(path: str) -> None:
        for worker in [] if crashed else named(os.getpid(), "helios.renderer", "chunk"):
            for process in named(worker.pid, words):
                process.send_signal(signal.SIGSEGV)
                wait_until(lambda process=process: not alive(process), "a process to end")
                crashed.append(process.pid)

    (tmp_path / "gate.txt").touch()
    (tmp_path / "index.html").write_text(GATED)
    with gated(tmp_path, lambda path: None) as url:
        undisturbed, _ = render(url, tmp_path / "a.mp4", capture="fast")
    with gated(tmp_path, at_gate) as url:
        rendered, events = render(url, tmp_path / "b.mp4")
    assert crashed
    assert capture_methods(events) == ["stage"]
    assert rendered.hashes == undisturbed.hashes
