"""Fast capture: what is drawn on the stage is what the browser shows, and what can't be is drawn faithfully."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from test_parity import means

import helios
from helios.composition import Composition, Declared, Source
from helios.errors import BrowserError
from helios.orchestrator.events import RenderPlanned
from helios.renderer.browser import ring
from helios.renderer.browser.browser import open_page
from helios.renderer.browser.scripts import STAGE
from helios.renderer.capture.stage import StageCapture
from helios.renderer.draw import draw_chunk
from helios.renderer.frame_diff import THRESHOLD
from helios.renderer.messages import CaptureMethod, ChunkReport, ChunkSpec, Encoding, Motion, Probe, ProbeSpec
from helios.renderer.probe import probe
from support.gates import gated
from support.processes import alive, descendants, named, wait_until
from support.videos import assert_exact, frame_pixels

Colour = tuple[int, int, int]
SIZE = (320, 180)
FRAMES = 8
LOSSLESS = Encoding(preset="ultrafast", crf=0, pixel_format="yuv444p")

HEAD = """<!doctype html><meta charset=utf-8><script>
/** Has `draw` called in every frame, with its number. */
const each = (draw) => requestAnimationFrame(function loop(t) {
  draw(Math.round((t * 30) / 1000));
  requestAnimationFrame(loop);
});
</script>"""
MOVER = """<i id=mover style="position:fixed;top:164px;width:16px;height:16px;background:#000"></i>
<script>each((k) => { mover.style.left = `${16 * (k % 20)}px`; });</script>"""
"""Something that moves without a change of its edges, so that no two frames of a page are alike."""


def write(folder: Path, html: str) -> Path:
    page = folder / "page.html"
    page.write_text(HEAD + html, "utf-8")
    return page


def look(source: Path | str, folder: Path, frames: int = FRAMES) -> Probe:
    """What the probe finds where the choice is left to it."""
    declared = Declared(width=SIZE[0], height=SIZE[1], frames=frames)
    spec = ProbeSpec(source=Source.parse(source), declared=declared, capture="auto")
    return asyncio.run(probe(spec, Path(tempfile.mkdtemp(dir=folder))))


def chunk_spec(source: Path | str, frames: range, method: CaptureMethod, motion: Motion) -> ChunkSpec:
    composition = Composition(
        source=Source.parse(source), width=SIZE[0], height=SIZE[1], fps=Fraction(30), frames=frames.stop
    )
    return ChunkSpec(
        composition=composition,
        start=frames.start,
        stop=frames.stop,
        encoding=LOSSLESS,
        capture=method,
        motion=motion,
    )


def draw(
    source: Path | str, output: Path, method: CaptureMethod, motion: Motion = "step", frames: range = range(FRAMES)
) -> ChunkReport:
    workspace = Path(tempfile.mkdtemp(dir=output.parent))
    spec = chunk_spec(source, frames, method, motion)
    return asyncio.run(draw_chunk(spec, output, workspace, lambda done, total: None))


def render(
    source: Path | str, output: Path, frames: int, **options: Any
) -> tuple[helios.RenderResult, list[helios.RenderEvent]]:
    events: list[helios.RenderEvent] = []
    options = {"workers": 1, "preset": "ultrafast", "fresh": True, "on_event": events.append, **options}
    video = helios.render_sync(source, output, width=SIZE[0], height=SIZE[1], frames=frames, **options)
    return video, events


def methods(events: list[helios.RenderEvent]) -> list[str]:
    """The ways in which a video was started, one after the other."""
    return [event.capture for event in events if event.event == "render-planned"]


def warnings(events: list[helios.RenderEvent]) -> list[str]:
    return [event.message for event in events if event.event == "warning-issued"]


def assert_right(
    source: Path | str, folder: Path, method: CaptureMethod, motion: Motion = "step", *, exact: bool = True
) -> tuple[ChunkReport, ChunkReport]:
    """Draws the page with `method` and faithfully: no two frames of it are alike, and both show the same."""
    fast = draw(source, folder / "fast.mp4", method, motion)
    faithful = draw(source, folder / "faithful.mp4", "begin-frame", motion)
    assert len(set(fast.hashes)) == len(set(faithful.hashes)) == FRAMES, "the page moves"
    assert fast.warnings == faithful.warnings == ()
    if exact:
        assert fast.hashes == faithful.hashes
    for frame in range(FRAMES):
        ones, others = (frame_pixels(folder / name, frame) for name in ("fast.mp4", "faithful.mp4"))
        assert np.abs(means(ones) - means(others)).max() <= THRESHOLD, frame
    return fast, faithful


def assert_shows(video: Path, frame: int, x: int, y: int, colour: Colour | None) -> None:
    """The video has that colour there, by what a lossless video may be off; or, for None, any but white."""
    seen = frame_pixels(video, frame)[y, x]
    far_off = np.abs(seen.astype(int) - (colour or (255, 255, 255))).max() > 3
    assert far_off == (colour is None), (x, y, seen)


def serving(
    folder: Path, *, headers: dict[str, str] | None = None, at_gate: Callable[[], object] = lambda: None
) -> AbstractContextManager[str]:
    """An address for a folder's files. Whoever asks for `/gate` waits until `at_gate` has returned."""
    (folder / "gate").touch()
    return gated(folder, lambda path: at_gate(), headers)


def write_images(path: Path, shades: list[int], rate: int, codec: str, pixel_format: str, **options: str) -> None:
    """A video or an animated image of plain shades of gray, 64 x 64 pixels."""
    with av.open(str(path), "w", options={key: value for key, value in options.items() if key == "loop"}) as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, VideoStream)
        stream.width = stream.height = 64
        stream.pix_fmt = pixel_format
        stream.options = {key: value for key, value in options.items() if key != "loop"}
        for shade in shades:
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), shade, np.uint8), format="rgb24")
            container.mux(stream.encode(frame.reformat(format=pixel_format)))
        container.mux(stream.encode())


# What looks dangerous, and is safe. Each page with the colour that must be seen at a spot of its first frame; None:
# any but the white of an empty page.

SAFE: dict[str, tuple[str, tuple[int, int], Colour | None]] = {
    "a frame of the page's own": (
        """<iframe srcdoc="<body style='margin:0;background:#686'><p>inside" style="position:absolute;left:16px;
        top:16px;width:160px;height:96px;border:0"></iframe>""",
        (100, 100),
        (0x66, 0x88, 0x66),
    ),
    "a frame in a frame that moves": (
        """<body style="margin:0"><iframe id=outer style="display:block;width:192px;height:96px;border:0"></iframe>
        <script>
        outer.srcdoc = "<body style='margin:0'><iframe style='display:block;width:192px;height:96px;border:0' srcdoc='"
          + "<body style=&quot;margin:0;background:#886&quot;><p id=p>"
          + "<script>let n = 0; (function loop() { p.textContent = n++; requestAnimationFrame(loop); })()<\\/script>'>";
        </script>""",
        (150, 80),
        (0x88, 0x88, 0x66),
    ),
    "a modal dialog": (
        """<p>under it<dialog id=dialog style="position:fixed;inset:32px auto auto 32px;margin:0;width:96px;
        height:48px;border:0;padding:0;background:#886">dialog</dialog><script>dialog.showModal()</script>""",
        (120, 70),
        (0x88, 0x88, 0x66),
    ),
    "form controls": (
        """<style>* { accent-color: #555; caret-color: transparent } input:focus { background: #886 }</style>
        <input value=words autofocus style="position:absolute;left:16px;top:112px;width:96px;height:32px;border:0">
        <button>push</button><select><option>one</select><input type=range><input type=checkbox checked>
        <input type=radio checked><textarea>more</textarea><input type=date value=2026-01-01>""",
        (104, 138),
        (0x88, 0x88, 0x66),
    ),
    "selected words": (
        """<body style="margin:0"><p id=p style="margin:0;width:160px;font-size:40px">many words</p>
        <script>getSelection().selectAllChildren(p)</script>""",
        (1, 4),
        None,
    ),
    "what stays where the window is": (
        """<style>body { margin: 0 } p { position: fixed; margin: 0; width: 64px; height: 32px }</style>
        <p style="right:0;bottom:16px;background:#686">fixed<p style="position:sticky;top:0;background:#886">sticky
        <div style="height:999px"></div><script>scrollTo(0, 100)</script>""",
        (310, 160),
        (0x66, 0x88, 0x66),
    ),
    "a page that scrolls": (
        """<body style="margin:0"><div style="height:999px;background:repeating-linear-gradient(#fff 0 32px,#886 32px
        64px)"></div><script>each((k) => scrollTo(0, 320 + 16 * k))</script>""",
        (200, 40),
        (0x88, 0x88, 0x66),
    ),
    "WebGL that keeps nothing": (
        """<body style="margin:0"><canvas id=canvas width=320 height=96 style="display:block"></canvas><script>
        const gl = canvas.getContext("webgl");
        each((k) => { gl.clearColor(0.4, 0.2 + k / 30, 0.4, 1); gl.clear(gl.COLOR_BUFFER_BIT); });
        </script>""",
        (200, 60),
        (0x66, 0x33, 0x66),
    ),
    "WebGL that was drawn once": (
        """<body style="margin:0"><canvas id=canvas width=320 height=96 style="display:block"></canvas><script>
        const gl = canvas.getContext("webgl");
        gl.clearColor(0.4, 0.6, 0.4, 1);
        gl.clear(gl.COLOR_BUFFER_BIT);
        </script>""",
        (200, 60),
        (0x66, 0x99, 0x66),
    ),
    "dark without a background": (
        "<meta name=color-scheme content=dark><style>#mover { background: #fff !important }</style><p>words",
        (300, 60),
        (0x12, 0x12, 0x12),
    ),
    "what watches the window": (
        """<body style="margin:0"><p id=seen style="margin:0;width:96px;height:48px;background:#333"></p>
        <p style="margin:0;width:96px;height:48px;content-visibility:auto">words</p><script>
        new IntersectionObserver(([entry]) => (seen.style.background = entry.isIntersecting ? "#686" : "#333")).observe(seen);
        </script>""",
        (80, 40),
        (0x66, 0x88, 0x66),
    ),
    "a page that goes up to its root": (
        """<script>addEventListener("DOMContentLoaded", () => {
        let node = document.body.lastChild;
        while (node.parentNode) node = node.parentNode;
        const above = [document.body.parentNode.parentNode, document.documentElement.parentElement, node];
        const right = above[0] === document && above[1] === null && above[2] === document;
        document.body.style.background = right ? "#686" : "#333";
        })</script>""",
        (300, 60),
        (0x66, 0x88, 0x66),
    ),
    "a page that asks for the window above": (
        """<script>addEventListener("DOMContentLoaded", () => {
        const right = window.parent === window && parent === self && window.frameElement === null && opener === null;
        const size = innerWidth === 320 && innerHeight === 180 && devicePixelRatio === 1;
        document.body.style.background = right && size && document.hasFocus() ? "#686" : "#333";
        })</script>""",
        (300, 60),
        (0x66, 0x88, 0x66),
    ),
}
ROUNDED_OTHERWISE = {"a modal dialog"}
"""What lies under something translucent may be off by one."""


@pytest.mark.parametrize("kind", SAFE)
def test_what_only_looks_dangerous_is_drawn_fast_and_right(kind: str, tmp_path: Path) -> None:
    html, spot, colour = SAFE[kind]
    page = write(tmp_path, f"{html}{MOVER}")
    found = look(page, tmp_path)
    assert (found.capture, found.motion) == ("stage", "step"), found.comparison
    assert_right(page, tmp_path, "stage", exact=kind not in ROUNDED_OTHERWISE)
    assert_shows(tmp_path / "fast.mp4", 0, *spot, colour)


def test_a_video_shows_the_frame_of_the_clock(tmp_path: Path) -> None:
    shades = [20 + 12 * k for k in range(2 * FRAMES)]
    write_images(tmp_path / "clip.mp4", shades, 30, "libx264", "yuv420p", crf="1")
    page = write(tmp_path, "<video src=clip.mp4 autoplay muted style='position:absolute;left:96px;top:48px'></video>")
    found = look(page, tmp_path)
    assert (found.capture, found.motion) == ("stage", "jump"), found.comparison
    whole, _ = assert_right(page, tmp_path, "stage", "jump")
    assert whole.repeated == 0
    for frame in range(FRAMES):
        shade = shades[frame]
        assert_shows(tmp_path / "fast.mp4", frame, 128, 80, (shade, shade, shade))
    later = draw(page, tmp_path / "later.mp4", "stage", "jump", range(5, FRAMES))
    assert later.hashes == whole.hashes[5:]


# What a stage can't show.

UNSAFE = {
    "an image of another origin": ("<img src={far}/red.png style='display:block'>", "of another origin"),
    "a frame of another origin": ("<iframe src={far}/inner.html></iframe>", "a frame of another origin"),
    "a blend with what a filter makes of the page's own background": (
        """<body style="margin:0;background:#886"><div style="width:192px;height:96px;background:#484;
        mix-blend-mode:difference;backdrop-filter:invert(1)"></div>""",
        "draw frame 0 otherwise",
    ),
    "a page that looks for its content on top": (
        "<h1 id=words>a</h1><script>window.top.document.getElementById('words').textContent = 'found'</script>",
        "TypeError",
    ),
    "a canvas that was given away": (
        """<body style="margin:0"><canvas id=canvas width=320 height=96></canvas><script>
        const context = canvas.transferControlToOffscreen().getContext("2d");
        each((k) => context.fillRect(16 * k, 0, 16, 96));</script>""",
        "a canvas that was given away",
    ),
}  # fmt: skip
UNSAFE_TOO = {
    "a background of another origin": (
        "<div style='height:96px;background:url({far}/red.png)'></div>",
        "of another origin",
    ),
    "a frame without an origin": (
        "<iframe sandbox srcdoc='<body style=background:red>'></iframe>",
        "a frame of another origin",
    ),
    "a page that asks who is on top": (
        "<script>document.write(`<body style='background:${window.top === window ? '#0a0' : '#a00'}'>`)</script>",
        "draw frame 0 otherwise",
    ),
    "a page that breaks out": (
        "<h1>a</h1><script>if (window.top !== window.self) window.top.location = location.href</script>",
        "breaks out of its frame",
    ),
    "a canvas of more colours": (
        """<body style="margin:0"><canvas id=canvas width=320 height=96></canvas><script>
        const context = canvas.getContext("2d", { colorSpace: "display-p3" });
        each((k) => { context.fillStyle = "#08f"; context.fillRect(16 * k, 0, 48, 96); });</script>""",
        "fallback",
    ),
    "two sides of a card": (
        """<style>div { transform-style: preserve-3d; width: 96px; height: 96px }
        b { position: absolute; inset: 0; backface-visibility: hidden }</style>
        <div id=card style="position:relative"><b style="background:#0a0"></b>
        <b style="background:#00a;transform:rotateY(180deg)"></b></div>
        <script>each((k) => (card.style.transform = `rotateY(${16 * k}deg)`))</script>""",
        "preserve-3d",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Another origin, which has an image and a page."""
    folder = tmp_path_factory.mktemp("far")
    with av.open(str(folder / "red.png"), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width = stream.height = 64
        stream.pix_fmt = "rgb24"
        red = np.full((64, 64, 3), (255, 0, 0), np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(red, format="rgb24")))
        container.mux(stream.encode())
    (folder / "inner.html").write_text("<body style='background:#0c0'>inner")
    with serving(folder) as address:
        yield address


@pytest.mark.parametrize("kind", UNSAFE)
def test_what_a_stage_can_not_show_is_drawn_faithfully(kind: str, far: str, tmp_path: Path) -> None:
    html, reason = UNSAFE[kind]
    page = write(tmp_path, html.replace("{far}", far) + MOVER)
    video, events = render(page, tmp_path / "auto.mp4", FRAMES)
    planned = events[0]
    assert planned.event == "render-planned"
    assert_unfit(planned, reason)
    assert (methods(events), warnings(events)) == (["begin-frame"], [])
    assert video.hashes == draw(page, tmp_path / "faithful.mp4", "begin-frame").hashes
    assert len(set(video.hashes)) == FRAMES


@pytest.mark.parametrize("kind", UNSAFE_TOO)
def test_more_that_a_stage_can_not_show_is_found(kind: str, far: str, tmp_path: Path) -> None:
    html, reason = UNSAFE_TOO[kind]
    assert_unfit(look(write(tmp_path, html.replace("{far}", far) + MOVER), tmp_path), reason)


def assert_unfit(found: RenderPlanned | Probe, reason: str) -> None:
    """The page is to be drawn faithfully, for that reason."""
    assert found.capture == "begin-frame"
    assert found.comparison
    assert not found.comparison.agree
    assert reason in (found.comparison.reason or "")


@pytest.mark.parametrize(
    "header", [("X-Frame-Options", "DENY"), ("Content-Security-Policy", "frame-ancestors 'none'"), ("X-Other", "none")]
)
def test_a_page_that_refuses_to_stand_in_a_frame_is_drawn_faithfully(header: tuple[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    write(folder, f"<h1>words</h1>{MOVER}")
    with serving(folder, headers=dict([header])) as address:
        found = look(f"{address}/page.html", tmp_path)
    if header[0] == "X-Other":
        assert found.comparison
        assert (found.capture, found.comparison.reason) == ("stage", None)
    else:
        assert_unfit(found, "there is a page that can't be put into a frame")


LATE = {
    "image": "const image = new Image(); image.src = '{far}/red.png'; document.body.append(image);",
    "frame": "const frame = document.createElement('iframe'); frame.src = '{far}/inner.html'; document.body.append(frame);",
}


def late_page(kind: str, far: str) -> str:
    """A page that becomes unsafe at frame 40: the probe has not come so far."""
    late = LATE[kind].replace("{far}", far)
    return f"<body>{MOVER}<script>each((k) => {{ if (k === 40) {{ {late} }} }})</script>"


@pytest.mark.parametrize("kind", LATE)
def test_a_video_that_turns_out_to_be_unsafe_is_drawn_again(kind: str, far: str, tmp_path: Path) -> None:
    page = write(tmp_path, late_page(kind, far))
    faithful = draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(60))
    assert set(faithful.hashes[40:]).isdisjoint(faithful.hashes[:40]), "it is seen"
    video, events = render(page, tmp_path / "auto.mp4", 60)
    assert methods(events) == ["stage", "begin-frame"]
    (warning,) = warnings(events)
    assert "not safe" in warning
    assert "of another origin (at frame 4" in warning
    assert warning.endswith("drawn again faithfully")
    assert video.hashes == faithful.hashes
    assert_exact(tmp_path / "auto.mp4", 60, Fraction(30))


@pytest.mark.parametrize("before", [range(0), range(39, 41)], ids=["at once", "while it is stepped through"])
def test_a_page_that_breaks_out_late_is_drawn_again(before: range, tmp_path: Path) -> None:
    page = write(
        tmp_path,
        f"<body>{MOVER}<script>each((k) => {{ if (k === 40 && top !== self) top.location = location; }})</script>",
    )
    faithful = draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(before.stop, 60))
    video, events = render(page, tmp_path / "auto.mp4", 60, frame_range=f"{before.stop}:60")
    assert methods(events) == ["stage", "begin-frame"]
    (warning,) = warnings(events)
    assert "there is a page that breaks out of its frame (at frame 4" in warning
    assert video.hashes == faithful.hashes


def test_errors_of_a_page_are_told_to_the_page(tmp_path: Path) -> None:
    page = write(
        tmp_path,
        """<body><i id=box style="position:fixed;width:99px;height:50px;background:#fff"></i>""" + MOVER + """<script>
        let seen = 0;
        addEventListener("error", () => { box.style.background = `rgb(0 ${20 * ++seen} 0)`; });
        each((k) => { throw new Error("of a frame"); });
        setInterval(() => { throw new Error("of a timer"); }, 100);
        </script>""",
    )  # fmt: skip
    fast, faithful = (draw(page, tmp_path / f"{method}.mp4", method) for method in ("stage", "begin-frame"))
    assert fast.hashes == faithful.hashes
    assert fast.warnings == faithful.warnings
    assert [warning.partition(" (")[0] for warning in fast.warnings] == ["Error: of a frame", "Error: of a timer"]
    pixel = frame_pixels(tmp_path / "stage.mp4", 7)[25, 50]
    assert pixel[1] == pytest.approx(60, abs=2), "there were three errors"


def test_a_frame_that_was_to_be_painted_and_was_not_is_no_repetition(tmp_path: Path) -> None:
    async def outcomes() -> list[Any]:
        async with open_page(Source.parse(write(tmp_path, MOVER)), SIZE, "stage", tmp_path / "work") as page:
            stage = StageCapture(page, Fraction(30))
            await stage.warm_up()
            await page.evaluate(f"{STAGE}.setCapturing(true)")
            return [await page.evaluate(f"{STAGE}.takeOutcome()"), await stage.draw(0)]

    unpainted, image = asyncio.run(outcomes())
    assert unpainted == {"error": "the browser did not paint the page"}
    assert image


def test_a_image_of_a_browser_that_is_gone_is_not_waited_for(tmp_path: Path) -> None:
    async def wait() -> None:
        async with open_page(Source.parse(write(tmp_path, MOVER)), SIZE, "stage", tmp_path / "work") as page:
            stage = StageCapture(page, Fraction(30))
            page.on_stage = lambda message: None  # the image does not arrive
            await stage.warm_up()
            image = await stage.draw(0)
            assert image
            (browser,) = VICTIMS["browser"]()
            browser.kill()
            async with asyncio.timeout(20):
                await image.arrived()

    with pytest.raises(BrowserError, match="ended unexpectedly"):
        asyncio.run(wait())


def test_fast_capture_that_turns_out_to_be_unsafe_leaves_nothing(far: str, tmp_path: Path) -> None:
    page = write(tmp_path, late_page("image", far))
    output = tmp_path / "output"
    output.mkdir()
    (output / "a.mp4").write_text("an older video")
    seen: list[helios.RenderEvent] = []
    with pytest.raises(helios.CaptureUnsafe, match="of another origin"):
        render(page, output / "a.mp4", 60, capture="fast", on_event=seen.append)
    assert methods(seen) == ["stage"]
    assert any(event.event == "chunk-progressed" for event in seen), "frames were drawn"
    assert [path.name for path in output.iterdir()] == ["a.mp4"]
    assert (output / "a.mp4").read_text() == "an older video"


# The page's own canvas.

CANVAS = """<style>body {{ margin: 0; background: #864 }} canvas {{ display: block }} {style}</style>
<canvas id=canvas width={width} height={height}>No canvas here.</canvas>{over}<script>
const context = canvas.getContext("2d");
each((k) => {{
  context.fillStyle = "#468";
  context.fillRect(0, 0, 320, 180);
  {then}
  context.fillStyle = "#fff";
  context.fillRect(16 * (k % 20), 48, 32, 32);
}});
</script>"""


def canvas_page(folder: Path, *, style: str = "", over: str = "", then: str = "", size: tuple[int, int] = SIZE) -> Path:
    return write(folder, CANVAS.format(style=style, over=over, then=then, width=size[0], height=size[1]))


CLEAR = "context.clearRect(0, 96, 320, 64);"


def test_a_canvas_that_is_all_there_is_is_taken_as_it_is(tmp_path: Path) -> None:
    page = canvas_page(tmp_path)
    assert look(page, tmp_path).capture == "canvas"
    fast, _ = assert_right(page, tmp_path, "canvas")
    assert fast.repeated == 0
    assert_shows(tmp_path / "fast.mp4", 2, 40, 60, (255, 255, 255))
    assert_shows(tmp_path / "fast.mp4", 2, 100, 60, (0x44, 0x66, 0x88))


NOT_ALONE: dict[str, dict[str, Any]] = {
    "over it": {"over": "<div style='position:absolute;left:0;top:96px;width:96px;height:64px;background:#888'></div>"},
    "words over it": {"over": "<p style='position:absolute;margin:0;left:0;top:96px'>words"},
    "painted over it": {
        "style": "body::after { content: ''; position: absolute; left: 0; top: 96px; width: 96px; height: 64px;"
        " background: #888 }"
    },
    "rounded": {"style": "canvas { border-radius: 64px }"},
    "pale": {"style": "canvas { opacity: 0.5 }"},
    "pale with its page": {"style": "body { opacity: 0.5 }"},
    "smaller": {"size": (256, 128)},
    "elsewhere": {"style": "canvas { transform: translate(32px, 16px) }"},
    "turned": {"style": "canvas { transform: scale(-1, 1) }"},
    "translucent": {"then": CLEAR},
}
BLENDED = {"pale", "pale with its page"}
"""Kinds whose colours are rounded otherwise in a canvas."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The hashes of a canvas that is all there is."""
    folder = tmp_path_factory.mktemp("plain")
    return draw(canvas_page(folder), folder / "plain.mp4", "begin-frame").hashes


@pytest.mark.parametrize("kind", NOT_ALONE)
def test_a_canvas_that_is_not_all_there_is_is_drawn_with_the_page(
    kind: str, plain: tuple[str, ...], tmp_path: Path
) -> None:
    page = canvas_page(tmp_path, **NOT_ALONE[kind])
    found = look(page, tmp_path)
    assert found.capture == "stage", found.comparison
    _, faithful = assert_right(page, tmp_path, "stage", exact=kind not in BLENDED)
    assert set(plain).isdisjoint(faithful.hashes), "it shows"


@pytest.mark.parametrize("capture", ["auto", "fast"])
def test_a_canvas_that_becomes_translucent_is_drawn_with_the_page_again(capture: str, tmp_path: Path) -> None:
    page = canvas_page(tmp_path, then=f"if (k >= 20) {CLEAR}")
    faithful = draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(24))
    assert_shows(tmp_path / "faithful.mp4", 20, 300, 128, (0x88, 0x66, 0x44))
    video, events = render(page, tmp_path / "video.mp4", 24, capture=capture)
    assert methods(events) == ["canvas", "stage"]
    (warning,) = warnings(events)
    assert "the page's canvas is not opaque" in warning
    assert warning.endswith("It is drawn again")
    assert video.hashes == faithful.hashes


def test_a_video_goes_back_one_way_after_the_other(far: str, tmp_path: Path) -> None:
    late = LATE["image"].replace("{far}", far)
    page = canvas_page(tmp_path, then=f"if (k >= 20) {CLEAR} if (k === 30) {{ {late} }}")
    faithful = draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(36))
    video, events = render(page, tmp_path / "auto.mp4", 36)
    assert methods(events) == ["canvas", "stage", "begin-frame"]
    assert len(warnings(events)) == 2
    assert video.hashes == faithful.hashes


# Frames that repeat the last, and frames that only seem to.


def test_frames_in_which_nothing_changes_are_repeated(tmp_path: Path) -> None:
    page = write(
        tmp_path,
        """<body style="margin:0"><div id=box style="width:64px;height:64px;background:#486"></div><script>
        let n = 0; setInterval(() => (box.style.marginLeft = `${16 * ++n}px`), 200);</script>""",
    )
    video, events = render(page, tmp_path / "fast.mp4", 18, fps=25, chunk_frames=9, capture="fast")
    assert methods(events) == ["stage"]
    assert [len(set(video.hashes[k : k + 5])) for k in (0, 5, 10, 15)] == [1, 1, 1, 1]
    assert len(set(video.hashes)) == 4
    finished = {event.chunk: event.repeated for event in events if event.event == "chunk-finished"}
    assert finished == {0: 9 - 2, 1: 9 - 3}, "the first of a chunk is drawn, and those in which it changes"
    assert video.hashes == render(page, tmp_path / "faithful.mp4", 18, fps=25, capture="faithful")[0].hashes
    assert_exact(tmp_path / "fast.mp4", 18, Fraction(25))


def test_a_page_that_never_changes_is_drawn_once(tmp_path: Path) -> None:
    page = write(tmp_path, "<body style='background:#264'><h1>Nothing moves</h1>")
    fast = draw(page, tmp_path / "fast.mp4", "stage", "jump", range(12))
    assert fast.repeated == 11
    assert set(fast.hashes) == set(draw(page, tmp_path / "faithful.mp4", "begin-frame", "jump", range(12)).hashes)
    assert len(set(fast.hashes)) == 1
    assert_shows(tmp_path / "fast.mp4", 11, 310, 170, (0x22, 0x66, 0x44))


SPARSE = {
    "words": "<p id=p>-</p><script>const draw = (k) => (p.textContent = k);</script>",
    "canvas": """<body style="margin:0"><canvas id=c></canvas><script>const x = c.getContext("2d"),
        draw = (k) => x.fillRect(k * 9, 0, 5, 5);</script>""",
    "whole canvas": """<body style="margin:0"><canvas id=c width=320 height=180 style="display:block"></canvas><script>
        const x = c.getContext("2d"), draw = (k) => x.fillRect(k * 9, 0, 5, 5);
        x.fillStyle = "#468"; x.fillRect(0, 0, 320, 180); x.fillStyle = "#fff";</script>""",
    "webgl": """<body style="margin:0"><canvas id=c></canvas><script>const gl = c.getContext("webgl"),
        draw = (k) => { gl.clearColor(0, k / 20, 0, 1); gl.clear(gl.COLOR_BUFFER_BIT); }; draw(0);</script>""",
    "frame": """<iframe id=f srcdoc="<p>-</p>"></iframe><script>
        const draw = (k) => (f.contentDocument.body.textContent = k);</script>""",
    "layer": """<p id=p style="will-change:transform">a</p><script>
        const draw = (k) => (p.style.transform = `translateX(${k * 9}px)`);</script>""",
    "value": "<input id=i value=a><script>const draw = (k) => (i.value = k);</script>",
    "highlight": """<style>::highlight(h) { background: #888 }</style><p id=p>many words</p><script>
        const draw = (k) => { const range = new Range(); range.setStart(p.firstChild, 0);
        range.setEnd(p.firstChild, 1 + k / 5); CSS.highlights.set("h", new Highlight(range)); };</script>""",
}


@pytest.mark.parametrize("kind", SPARSE)
def test_a_change_after_frames_without_any_is_seen(kind: str, tmp_path: Path) -> None:
    page = write(tmp_path, f"{SPARSE[kind]}<script>each((k) => {{ if (k % 5 === 4) draw(k); }})</script>")
    method = "canvas" if kind == "whole canvas" else "stage"
    whole = draw(page, tmp_path / "whole.mp4", method, frames=range(15)).hashes
    assert [k for k in range(1, 15) if whole[k] != whole[k - 1]] == [4, 9, 14]
    assert draw(page, tmp_path / "later.mp4", method, frames=range(7, 15)).hashes == whole[7:]
    assert draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(15)).hashes == whole


@pytest.mark.parametrize(("kind", "codec", "pixel_format"), [("gif", "gif", "rgb8"), ("webp", "libwebp_anim", "bgra")])
def test_a_moving_image_moves_where_the_choice_is_left_to_helios(
    kind: str, codec: str, pixel_format: str, tmp_path: Path
) -> None:
    write_images(tmp_path / f"moving.{kind}", [10, 90, 170, 250], 10, codec, pixel_format, loop="0")
    page = write(tmp_path, f"<img src=moving.{kind}>")
    video, _ = render(page, tmp_path / "auto.mp4", 12)
    faithful = draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(12))
    assert video.hashes == faithful.hashes
    assert len(set(video.hashes)) == 4


def test_what_a_script_moves_by_a_fraction_of_a_hundredth_of_a_pixel_moves_in_every_frame(tmp_path: Path) -> None:
    # Each box stands a little further on than the one before, so some edge gets another shade in every frame.
    page = write(
        tmp_path,
        "<style>body { margin: 0 } div { width: 64px; height: 16px; margin: 4px; background: #000 }</style>"
        + "<div></div>" * 8
        + """<script>helios.seek = (s) => document.querySelectorAll("div").forEach((div, i) => {
          div.style.transform = `translateX(${0.2 + 0.0005 * i + 0.002 * Math.round(s * 30)}px)`;
        });</script>""",
    )
    whole = draw(page, tmp_path / "whole.mp4", "stage", "seek", range(12)).hashes
    assert len(set(whole)) == 12
    video, events = render(page, tmp_path / "split.mp4", 12, chunk_frames=4, capture="fast")
    assert [(event.capture, event.chunks) for event in events if event.event == "render-planned"] == [("stage", 3)]
    assert video.hashes == whole


# Kills.

GATED = """<div id=box style="width:64px;height:64px;background:#486"></div><script>
helios.seek = async (s) => {
  const k = Math.round(s * 30);
  if (k === 5) await fetch("/gate");
  box.style.marginLeft = `${16 * k}px`;
};</script>"""
"""A page that asks for leave before frame 5."""
VICTIMS = {
    "worker": lambda: named(os.getpid(), "helios.renderer", "chunk"),
    "browser": lambda: [
        one
        for one in named(os.getpid(), "--headless", "--remote-debugging-pipe")
        if "--type=" not in " ".join(one.cmdline()) and "/sh" not in one.cmdline()[0]
    ],
    "page": lambda: sorted(named(os.getpid(), "--type=renderer"), key=lambda one: -one.create_time()),
}


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_kill_in_mid_chunk_costs_an_attempt_and_leaves_nothing_in_memory(victim: str, tmp_path: Path) -> None:
    project, output = tmp_path / "project", tmp_path / "output"
    project.mkdir()
    output.mkdir()
    write(project, GATED)
    rings: list[Path] = []
    left: list[list[bool]] = []
    kills: list[int] = []

    def at_gate() -> None:
        """Notes the rings of our own that there are and were; kills in the first attempt."""
        links = Path(os.environ["HELIOS_STATE"]).glob(
            "work/*/plan-*/chunk-*/attempt-*/helios-*/browser/Default/File System"
        )
        rings.extend(found for link in links if (found := link.readlink()) not in rings)
        left.append([one.exists() for one in rings])
        if not kills:
            (first, *_) = VICTIMS[victim]()
            first.kill()
            kills.append(first.pid)

    with serving(project, at_gate=at_gate) as address:
        video, events = render(f"{address}/page.html", output / "a.mp4", 10, capture="fast")
    assert methods(events) == ["stage"]
    failed = [event for event in events if event.event == "chunk-attempt-failed"]
    assert [event.retried for event in failed] == [True]
    assert video.attempts == 2
    assert_exact(output / "a.mp4", 10, Fraction(30))
    assert all(one.parent == ring.MEMORY and one.name.startswith("helios-ring-") for one in rings)
    assert left == [[True], [False, True]], "the second attempt has removed what the first has left"
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
"""The renderer's command, with its rings in a folder where nobody else's are."""


def test_what_a_killed_renderer_leaves_is_removed_and_what_a_living_one_has_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, memory = tmp_path / "project", tmp_path / "memory"
    project.mkdir()
    memory.mkdir()
    write(project, GATED)
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

    with serving(project, at_gate=at_gate) as address:
        dying = start("dying", address)
        living = start("living", address)
        try:
            assert arrived.acquire(timeout=60)
            assert arrived.acquire(timeout=60)
            family = descendants(dying.pid)
            dying.send_signal(signal.SIGKILL)
            assert dying.wait(60) == -signal.SIGKILL
            wait_until(lambda: not any(alive(process) for process in family), "the browser to end")
            assert set(memory.iterdir()) == {ring_of("dying"), ring_of("living")}

            monkeypatch.setattr(ring, "MEMORY", memory)
            with ring.ring_folder(tmp_path / "profile", SIZE) as folder:
                assert set(memory.iterdir()) == {ring_of("living"), folder}
            leave.set()
            assert living.wait(60) == 0
        finally:
            leave.set()
            for process in (dying, living):
                process.kill()
                process.wait()
    assert list(memory.iterdir()) == []
    report = ChunkReport.model_validate_json((tmp_path / "living" / "segment.mp4.json").read_text())
    assert len(set(report.hashes)) == 10


# What was once drawn wrong.

PLACED = {
    "in the margins of its page": "body { margin: 16px }",
    "down the page": "canvas { margin-top: 48px }",
    "in the corner": "canvas { position: absolute; right: 16px; bottom: 16px }",
}
OTHERWISE = {
    "scaled": "body { margin: 0 } canvas { width: 80px }",
    "with a border": "body { margin: 0 } canvas { border: 8px solid #888 }",
    "with a padding": "body { margin: 0 } canvas { padding: 8px }",
}


@pytest.mark.parametrize("kind", ["2d", "webgl"])
@pytest.mark.parametrize("place", [*PLACED, *OTHERWISE])
def test_a_canvas_is_drawn_where_it_stands(place: str, kind: str, tmp_path: Path) -> None:
    style = (PLACED | OTHERWISE)[place]
    html = f"<style>canvas {{ display: block }} {style}</style><canvas id=c width=160 height=80></canvas>"
    if kind == "2d":
        html += """<script>const x = c.getContext("2d"); each((k) => { x.fillStyle = "#468"; x.fillRect(0, 0, 160, 80);
        x.fillStyle = "#fff"; x.fillRect(16 * k, 16, 16, 16); });</script>"""
    else:
        html += """<script>const gl = c.getContext("webgl"); each((k) => { gl.disable(gl.SCISSOR_TEST);
        gl.clearColor(0.2, 0.4, 0.6, 1); gl.clear(gl.COLOR_BUFFER_BIT); gl.enable(gl.SCISSOR_TEST);
        gl.scissor(16 * k, 16, 16, 16); gl.clearColor(1, 1, 1, 1); gl.clear(gl.COLOR_BUFFER_BIT); });</script>"""
    page = write(tmp_path, html)
    found = look(page, tmp_path)
    if place in OTHERWISE:
        assert found.capture == "begin-frame"
        assert found.comparison is not None
        assert "a canvas that is scaled" in str(found.comparison.reason)
    else:
        assert found.capture == "stage"
        assert_right(page, tmp_path, "stage")


APPEARING = {
    "a canvas given away": """if (k === 20) context = canvas.transferControlToOffscreen().getContext("2d");
        if (k >= 20) context.fillRect(4 * k, 0, 16, 64);""",
    "a view transition": "if (k === 20) document.startViewTransition(() => (box.style.background = '#468'));",
    "the back of a card": "if (k === 20) card.hidden = false; card.style.transform = 'rotateY(180deg)';",
    "a blend of the whole page": "if (k === 20) document.documentElement.style.mixBlendMode = 'difference';",
    "a canvas in the middle": "if (k === 20) canvas.hidden = false, canvas.getContext('2d').fillRect(0, 0, 32, 32);",
}


@pytest.mark.parametrize("kind", APPEARING)
def test_what_a_stage_can_not_show_is_seen_late_too(kind: str, tmp_path: Path) -> None:
    page = write(
        tmp_path,
        """<style>body { margin: 0 } #card { transform-style: preserve-3d; width: 64px; height: 64px }
        #card b { position: absolute; width: 64px; height: 64px; background: #0a0; backface-visibility: hidden }
        canvas { position: absolute; left: 96px; top: 48px } [hidden] { display: none }</style>
        <div id=box style="width:64px;height:64px;background:#864"></div><div id=card hidden><b></b></div>
        <canvas id=canvas width=160 height=64 hidden></canvas><script>let context; each((k) => {"""
        + ("canvas.hidden = false;" if "given" in kind else "")
        + APPEARING[kind]
        + "});</script>"
        + MOVER,
    )
    video, events = render(page, tmp_path / "auto.mp4", 24)
    assert methods(events)[-1] == "begin-frame"
    if "transition" not in kind:  # which is not the same each time, not even faithfully
        assert video.hashes == draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(24)).hashes


@pytest.mark.parametrize("loop", ["", MOVER])
def test_a_image_moves_late_too(loop: str, tmp_path: Path) -> None:
    write_images(tmp_path / "moving.gif", [10, 90, 170, 250], 1, "gif", "rgb8", loop="0")
    page = write(tmp_path, f"<body><img src=moving.gif><script>setTimeout(() => 0, 9000)</script>{loop}")
    video, _ = render(page, tmp_path / "auto.mp4", 48)
    assert video.hashes == draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(48)).hashes


def test_a_canvas_that_passes_the_compositor_by_is_seen_in_every_frame(tmp_path: Path) -> None:
    page = write(
        tmp_path,
        """<body style="margin:0"><canvas id=c width=320 height=180 style="display:block"></canvas><script>
        const x = c.getContext("2d", { desynchronized: true }); each((k) => { x.fillStyle = "#468";
        x.fillRect(0, 0, 320, 180); x.fillStyle = "#fff"; x.fillRect(16 * k, 16, 16, 16); });</script>""",
    )
    video, _ = render(page, tmp_path / "auto.mp4", 8)
    assert video.hashes == draw(page, tmp_path / "faithful.mp4", "begin-frame").hashes


OVER = {
    "an outline": ("body { outline: 16px solid red; outline-offset: -16px; height: 180px }", ""),
    "a shadow tree": ("", "<div id=host style='display:contents'></div><script>host.attachShadow({ mode: 'open' })"
        ".innerHTML = '<p style=\"position:absolute;top:0;background:red\">words'</script>"),
    "what stands before it": ("div { display: contents } div::before { content: 'words'; position: absolute; top: 0 }",
        "<div></div>"),
    "its page's background": ("html { background: #000 } body { background: #864; height: 180px }"
        " canvas { position: fixed; top: 0; z-index: -1 }", ""),
    "a page that is not shown": ("body { content-visibility: hidden; height: 180px }", ""),
    "a mask": ("canvas { -webkit-mask-box-image: linear-gradient(#000, transparent) }", ""),
}  # fmt: skip


@pytest.mark.parametrize("kind", OVER)
def test_a_canvas_that_something_covers_is_not_taken_as_it_is(kind: str, tmp_path: Path) -> None:
    style, over = OVER[kind]
    page = write(
        tmp_path,
        f"""<style>body {{ margin: 0 }} canvas {{ display: block }} {style}</style>
        <canvas id=c width=320 height=180></canvas>{over}<script>const x = c.getContext("2d");
        each((k) => {{ x.fillStyle = "#468"; x.fillRect(0, 0, 320, 180);
        x.fillStyle = "#fff"; x.fillRect(16 * k, 48, 16, 16); }});</script>""",
    )
    # An outline lies over a canvas that is not painted apart, as on the stage it is: that is for the probe to see.
    capture = "auto" if kind == "an outline" else "fast"
    fast, _ = render(page, tmp_path / "fast.mp4", 8, capture=capture)
    assert fast.hashes == draw(page, tmp_path / "faithful.mp4", "begin-frame").hashes


SLOWLY = {
    "an animation that stands": """const a = box.animate([{ transform: "translateX(0)" }, { transform: "translateX(60px)" }],
        { duration: 1e6, fill: "both" }); a.pause(); helios.seek = (s) => (a.currentTime = 1000 * s);""",
    "its key frames": """const a = box.animate({}, { duration: 1e6, fill: "both" }); a.pause(); helios.seek = (s) => {
        const transform = `translateX(${0.06 * s}px)`; a.effect.setKeyframes([{ transform }, { transform }]); };""",
    "a rule in a group": """const group = sheet.sheet.cssRules[0]; helios.seek = (s) => { group.deleteRule(0);
        group.insertRule(`#box { transform: translateX(${0.06 * s}px) }`); };""",
}


@pytest.mark.parametrize("kind", SLOWLY)
def test_what_is_moved_slowly_by_other_means_is_the_same_in_chunks_too(kind: str, tmp_path: Path) -> None:
    page = write(
        tmp_path,
        f"""<style id=sheet>@media all {{ #box {{ top: 0 }} }}</style>
        <div id=box style="width:64px;height:64px;background:#000"></div><script>{SLOWLY[kind]}</script>""",
    )
    whole = draw(page, tmp_path / "whole.mp4", "stage", "seek", range(24)).hashes
    assert len(set(whole)) > 1
    parts = [draw(page, tmp_path / "part.mp4", "stage", "seek", range(k, k + 8)).hashes for k in (0, 8, 16)]
    assert sum(parts, ()) == whole


def test_a_canvas_that_is_cut_off_late_is_not_taken_as_it_is(tmp_path: Path) -> None:
    page = write(
        tmp_path,
        """<body style="margin:0;background:#864"><div id=box style="overflow:hidden;width:320px">
        <canvas id=c width=320 height=180 style="display:block"></canvas></div><script>const x = c.getContext("2d");
        each((k) => { x.fillStyle = "#468"; x.fillRect(0, 0, 320, 180); x.fillStyle = "#fff";
        x.fillRect(16 * (k % 20), 48, 16, 16); if (k > 14) box.style.width = "160px"; });</script>""",
    )
    video, _ = render(page, tmp_path / "auto.mp4", 24)
    assert video.hashes == draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(24)).hashes


def test_a_frame_in_a_shadow_tree_is_found(tmp_path: Path) -> None:
    page = write(
        tmp_path,
        f"""<div id=host></div><script>const root = host.attachShadow({{ mode: "open" }}); each((k) => {{
        if (k === 14) root.innerHTML = "<iframe src='data:text/html,<body style=background:red>'>"; }});</script>{MOVER}""",
    )
    video, events = render(page, tmp_path / "auto.mp4", 24)
    assert methods(events)[-1] == "begin-frame"
    assert "a frame of another origin" in warnings(events)[0]
    assert video.hashes == draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(24)).hashes


def test_props_are_of_the_realm_of_the_page(tmp_path: Path) -> None:
    page = write(
        tmp_path, "<script>if (!(helios.props.list instanceof Array)) document.body.append('?')</script>" + MOVER
    )
    videos = [
        render(page, tmp_path / "video.mp4", 8, capture=way, props={"list": [1]})[0] for way in ("fast", "faithful")
    ]
    assert videos[0].hashes == videos[1].hashes
