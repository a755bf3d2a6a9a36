"""A killed process costs one attempt and leaves nothing in memory."""

import os
import signal
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import pytest
from stage_pages import (
    SIZE,
    browser_processes,
    capture_methods,
    chunk_spec,
    draw,
    render,
    serve,
    write_page,
)

from helios.renderer.browser import ring
from helios.renderer.messages import ChunkReport
from support.processes import alive, descendants, named, wait_until
from support.videos import assert_exact

GATED = """<div id=box style="width:64px;height:64px;background:#486"></div><script>
helios.seek = async (s) => {
  const k = Math.round(s * 30);
  if (k === 5) await fetch("/gate");
  box.style.marginLeft = `${16 * k}px`;
};</script>"""
"""A page that waits at a gate before frame 5."""


VICTIMS = {
    "worker": lambda: named(os.getpid(), "helios.renderer", "chunk"),
    "browser": browser_processes,
    "page": lambda: sorted(named(os.getpid(), "--type=renderer"), key=lambda one: -one.create_time()),
}


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_kill_during_a_chunk_costs_one_attempt_and_leaves_no_ring(victim: str, tmp_path: Path) -> None:
    project, output = tmp_path / "project", tmp_path / "output"
    project.mkdir()
    output.mkdir()
    write_page(project, GATED)
    rings: list[Path] = []
    left: list[list[bool]] = []
    kills: list[int] = []

    def at_gate() -> None:
        """Records which rings of this test exist; kills the victim in the first attempt."""
        links = Path(os.environ["HELIOS_STATE"]).glob(
            "work/*/plan-*/chunk-*/attempt-*/helios-*/browser/Default/File System"
        )
        rings.extend(found for link in links if (found := link.readlink()) not in rings)
        left.append([one.exists() for one in rings])
        if not kills:
            (first, *_) = VICTIMS[victim]()
            first.kill()
            kills.append(first.pid)

    with serve(project, at_gate=at_gate) as address:
        video, events = render(f"{address}/page.html", output / "a.mp4", 10, capture="fast")
    assert capture_methods(events) == ["stage"]
    failed = [event for event in events if event.event == "chunk-attempt-failed"]
    assert [event.retried for event in failed] == [True]
    assert video.attempts == 2
    assert_exact(output / "a.mp4", 10, Fraction(30))
    assert all(one.parent == ring.MEMORY and one.name.startswith("helios-ring-") for one in rings)
    assert left == [[True], [False, True]], "the second attempt has removed the ring of the first"
    assert [one.exists() for one in rings] == [False, False]
    assert [path.name for path in output.iterdir()] == ["a.mp4"]

    undisturbed = draw(project / "page.html", tmp_path / "undisturbed.mp4", "begin-frame", "seek", range(10))
    assert video.hashes == undisturbed.hashes
    assert len(set(video.hashes)) == 10


LAUNCHER = """import sys
from pathlib import Path
from helios.renderer import __main__ as renderer
from helios.renderer.browser import ring
ring.MEMORY = Path(sys.argv.pop(1))
sys.exit(renderer.main())"""
"""The renderer's command, with its rings in a folder of its own."""


def test_the_ring_of_a_killed_renderer_is_removed_and_that_of_a_running_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, memory = tmp_path / "project", tmp_path / "memory"
    project.mkdir()
    memory.mkdir()
    write_page(project, GATED)
    arrived, leave = threading.Semaphore(0), threading.Event()

    def at_gate() -> None:
        arrived.release()
        assert leave.wait(60)

    def start(name: str, address: str) -> subprocess.Popen[bytes]:
        folder = tmp_path / name
        folder.mkdir()
        spec = chunk_spec(f"{address}/page.html", range(10), "stage", "seek")
        (folder / "spec.json").write_text(spec.model_dump_json())
        command = [sys.executable, "-c", LAUNCHER, str(memory), "chunk", "spec.json", "segment.mp4"]
        return subprocess.Popen(
            command, cwd=folder, env={**os.environ, "TMPDIR": str(folder)}, stdout=subprocess.DEVNULL
        )

    def ring_of(name: str) -> Path:
        (link,) = (tmp_path / name).glob("helios-*/browser/Default/File System")
        return link.readlink()

    with serve(project, at_gate=at_gate) as address:
        killed = start("killed", address)
        running = start("running", address)
        try:
            assert arrived.acquire(timeout=60)
            assert arrived.acquire(timeout=60)
            family = descendants(killed.pid)
            killed.send_signal(signal.SIGKILL)
            assert killed.wait(60) == -signal.SIGKILL
            wait_until(lambda: not any(alive(process) for process in family), "the browser to exit")
            assert set(memory.iterdir()) == {ring_of("killed"), ring_of("running")}

            monkeypatch.setattr(ring, "MEMORY", memory)
            with ring.ring_folder(tmp_path / "profile", SIZE) as folder:
                assert set(memory.iterdir()) == {ring_of("running"), folder}
            leave.set()
            assert running.wait(60) == 0
        finally:
            leave.set()
            for process in (killed, running):
                process.kill()
                process.wait()
    assert list(memory.iterdir()) == []
    report = ChunkReport.model_validate_json((tmp_path / "running" / "segment.mp4.json").read_text())
    assert len(set(report.hashes)) == 10
