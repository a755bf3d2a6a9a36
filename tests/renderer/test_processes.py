"""A browser process that dies costs an attempt, never an image of the video."""

import asyncio
import os
import signal
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any

import psutil
import pytest
from stage_pages import warnings

import helios
from support.gates import gated
from support.processes import alive, named, wait_until
from support.videos import assert_exact, image_pixels

FRAMES = 8
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="80" height="80"><rect width="80" height="80" fill="{}"/></svg>'
PAGE = """<!doctype html><body style="margin:0"><img src="gate.svg"><img src="other.svg"><i id=box
style="position:absolute;top:100px;width:20px;height:20px;background:#357"></i><script>
helios.seek = (s) => { box.style.left = `${s * 200}px`; };
new AudioContext();
</script>"""
LATER = """<!doctype html><body style="margin:0"><p id=shown></p><script>
helios.seek = (s) => {
  const image = new Image();
  image.src = `gate.svg?${Math.round(s * 30)}`;
  image.style.marginLeft = `${s * 200}px`;
  shown.replaceChildren(image);
};
</script>"""
"""Each frame loads an image of its own."""

VICTIMS = {
    "network service": "--utility-sub-type=network.mojom.NetworkService",
    "audio service": "--utility-sub-type=audio.mojom.AudioService",
    "GPU process": "--type=gpu-process",
    "page's process": "--type=renderer",
    "zygote": "--type=zygote",
}


def site(folder: Path, page: str) -> Path:
    (folder / "index.html").write_text(page)
    (folder / "gate.svg").write_text(SVG.format("#a33"))
    (folder / "other.svg").write_text(SVG.format("#3a3"))
    return folder


def render(url: str, output: Path, **options: Any) -> tuple[helios.RenderResult, list[helios.RenderEvent]]:
    events: list[helios.RenderEvent] = []
    options = {"frames": FRAMES, "workers": 1, "preset": "ultrafast", "on_event": events.append, **options}
    return helios.render_sync(url, output, width=320, height=180, **options), events


def end(process: psutil.Process, how: signal.Signals) -> None:
    """Ends a process, and waits until it has ended."""
    process.send_signal(how)
    wait_until(lambda: not alive(process), "a process to end")


class Killer:
    """Kills processes of the browser that the command ``kind`` of the renderer runs, when it asks for a gate."""

    def __init__(self, kind: str, words: str, how: signal.Signals = signal.SIGKILL, *, times: int = 1) -> None:
        self._kind, self._words, self._how = kind, words, how
        self.left = times
        self.killed: list[psutil.Process] = []

    def __call__(self, path: str) -> None:
        if not self.left:
            return
        for worker in named(os.getpid(), "helios.renderer", self._kind):
            wait_until(lambda worker=worker: named(worker.pid, self._words), f"a process with {self._words}")
            found = named(worker.pid, self._words)
            self.left -= 1
            for process in found:
                end(process, self._how)
            self.killed += found


@pytest.mark.parametrize("capture", ["fast", "faithful"])
@pytest.mark.parametrize("words", VICTIMS.values(), ids=VICTIMS.keys())
def test_a_process_that_is_killed_while_the_page_loads_costs_an_attempt_and_nothing_else(
    words: str, capture: str, tmp_path: Path
) -> None:
    killer = Killer("chunk", words)
    with gated(site(tmp_path, PAGE), lambda path: None) as url:
        undisturbed, before = render(url, tmp_path / "a.mp4", capture=capture)
    with gated(tmp_path, killer) as url:
        rendered, events = render(url, tmp_path / "b.mp4", capture=capture)
    assert killer.killed
    assert rendered.hashes == undisturbed.hashes
    assert rendered.attempts == 2
    assert [event.code for event in events if event.event == "chunk-attempt-failed"] == ["browser"]
    assert warnings(events) == warnings(before)
    assert_exact(tmp_path / "b.mp4", FRAMES, Fraction(30))
    assert named(os.getpid(), "chrom") == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
@pytest.mark.parametrize("victim", ["network service", "GPU process", "page's process"])
def test_it_does_not_matter_how_or_when_a_process_dies(victim: str, how: signal.Signals, tmp_path: Path) -> None:
    seen: list[str] = []
    killer = Killer("chunk", VICTIMS[victim], how)

    def at_gate(path: str) -> None:
        if path.endswith("?5"):
            seen.append(path)
            killer(path)

    with gated(site(tmp_path, LATER), lambda path: None) as url:
        undisturbed, _ = render(url, tmp_path / "a.mp4", capture="faithful")
    with gated(tmp_path, at_gate) as url:
        rendered, _ = render(url, tmp_path / "b.mp4", capture="faithful")
    assert killer.killed
    assert rendered.hashes == undisturbed.hashes
    assert len(set(rendered.hashes)) == FRAMES
    assert rendered.attempts == 2


def test_a_chunk_of_a_browser_that_lost_a_process_is_not_cached(tmp_path: Path) -> None:
    killer = Killer("chunk", VICTIMS["network service"], times=99)
    with gated(site(tmp_path, PAGE), lambda path: None) as url:
        undisturbed, _ = render(url, tmp_path / "a.mp4", capture="faithful")
    with gated(tmp_path, killer) as url:
        with pytest.raises(helios.ChunkFailed, match="killed"):
            render(url, tmp_path / "b.mp4", capture="faithful")
        assert not (tmp_path / "b.mp4").exists()
        killer.left = 0
        rendered, events = render(url, tmp_path / "b.mp4", capture="faithful")
    assert rendered.hashes == undisturbed.hashes
    assert [event for event in events if event.event == "chunk-cached"] == []


@pytest.mark.parametrize("capture", ["auto", "fast", "faithful"])
def test_the_probe_is_repeated_where_a_process_dies(capture: str, tmp_path: Path) -> None:
    killer = Killer("probe", VICTIMS["network service"])
    with gated(site(tmp_path, PAGE), lambda path: None) as url:
        undisturbed, before = render(url, tmp_path / "a.mp4", capture=capture)
    with gated(tmp_path, killer) as url:
        rendered, events = render(url, tmp_path / "b.mp4", capture=capture)
    assert killer.killed
    assert rendered.hashes == undisturbed.hashes
    assert [event.capture for event in events if event.event == "render-planned"] == [
        event.capture for event in before if event.event == "render-planned"
    ]


def test_a_still_is_drawn_again_where_a_process_dies(tmp_path: Path) -> None:
    killer = Killer("still", VICTIMS["network service"])
    with gated(site(tmp_path, PAGE), killer) as url:
        asyncio.run(helios.still(url, tmp_path / "a.png", frame=3, width=320, height=180, frames=FRAMES))
    assert killer.killed
    pixels = image_pixels(tmp_path / "a.png")
    assert pixels[40, 40].tolist() == [0xAA, 0x33, 0x33]
    assert pixels[40, 120].tolist() == [0x33, 0xAA, 0x33]


@pytest.mark.parametrize("victim", ["network service", "page's process"])
def test_a_video_of_a_batch_is_drawn_again_where_a_process_dies(victim: str, tmp_path: Path) -> None:
    def batch(url: str) -> dict[int, tuple[str, ...]]:
        events: list[helios.BatchEvent] = []
        rows = [{"name": name} for name in "abc"]
        helios.batch_sync(
            url, rows, f"{tmp_path}/{{name}}.mp4", width=320, height=180, frames=FRAMES, workers=1, preset="ultrafast",
            fresh=True, on_event=events.append,
        )  # fmt: skip
        return {event.row: event.hashes for event in events if event.event == "video-rendered"}

    killer = Killer("videos", VICTIMS[victim])
    with gated(site(tmp_path, PAGE), lambda path: None) as url:
        undisturbed = batch(url)
    with gated(tmp_path, killer) as url:
        assert batch(url) == undisturbed
    assert killer.killed
    assert len(undisturbed) == 3


NORMAL: dict[str, str] = {
    "a fetch that is aborted": """helios.seek = (s) => {
      const control = new AbortController();
      fetch(`gate.svg?${s}`, { signal: control.signal }).catch(() => {});
      control.abort();
      box.style.left = `${s * 200}px`;
    };""",
    "an image that is replaced while it loads": """const image = document.body.appendChild(new Image());
    helios.seek = (s) => {
      image.src = `gate.svg?${s}`;
      image.src = `other.svg?${s}`;
      box.style.left = `${s * 200}px`;
    };""",
    "an element that is removed while it loads": """helios.seek = (s) => {
      const image = document.body.appendChild(new Image());
      image.src = `gate.svg?${s}`;
      image.remove();
      image.src = "";
      box.style.left = `${s * 200}px`;
    };""",
    "a frame that goes elsewhere while it loads": """const frame = document.body.appendChild(
      document.createElement("iframe"));
    frame.src = "gate.svg";
    frame.src = "other.svg";
    helios.seek = (s) => { box.style.left = `${s * 200}px`; };""",
    "frames and windows that are closed": """const popup = open("other.svg", "_blank", "noopener");
    const frame = document.body.appendChild(document.createElement("iframe"));
    frame.src = "other.svg";
    helios.seek = (s) => {
      if (s > 0.1) frame.remove();
      box.style.left = `${s * 200}px`;
    };""",
    "workers that end": """const code = URL.createObjectURL(new Blob(["postMessage(1); close()"]));
    new Worker(code).onmessage = () => {};
    const worker = new Worker(code);
    helios.seek = (s) => {
      worker.terminate();
      box.style.left = `${s * 200}px`;
    };""",
}


@pytest.mark.parametrize("script", NORMAL.values(), ids=NORMAL.keys())
def test_loads_that_the_page_cancels_and_processes_that_end_by_themselves_are_no_failures(
    script: str, tmp_path: Path
) -> None:
    page = f"""<!doctype html><body><i id=box style="position:absolute;width:20px;height:20px;background:#357"></i>
    <script>{script}</script>"""
    with gated(site(tmp_path, page), lambda path: None) as url:
        rendered, events = render(url, tmp_path / "a.mp4", capture="faithful")
    assert rendered.attempts == 1
    assert len(set(rendered.hashes)) == FRAMES
    assert warnings(events) == []


def test_a_request_without_an_answer_is_reported(tmp_path: Path) -> None:
    done = Event()
    page = """<!doctype html><p id=p>a</p><script>new EventSource("gate.svg");
    helios.seek = (s) => { p.style.marginLeft = `${s * 200}px`; }</script>"""
    with gated(site(tmp_path, page), lambda path: done.wait(300)) as url:
        try:
            _, events = render(url, tmp_path / "a.mp4", capture="faithful")
        finally:
            done.set()
    assert warnings(events) == [f"{url}/gate.svg had no answer when the last frame was drawn"]
