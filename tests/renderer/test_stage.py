"""Fast capture shows the same as faithful capture."""

import asyncio
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from stage_pages import (
    FRAMES,
    MOVER,
    SIZE,
    Colour,
    assert_matches_faithful,
    assert_shows,
    browser_processes,
    draw,
    probe_page,
    render,
    write_images,
    write_page,
)

from helios.composition import Source
from helios.errors import BrowserError
from helios.renderer.browser.browser import open_page
from helios.renderer.browser.scripts import STAGE
from helios.renderer.capture.stage import StageCapture
from support.videos import frame_pixels

SAFE: dict[str, tuple[str, tuple[int, int], Colour | None]] = {
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
    "a selection": (
        """<body style="margin:0"><p id=p style="margin:0;width:160px;font-size:40px">many words</p>
        <script>getSelection().selectAllChildren(p)</script>""",
        (1, 4),
        None,
    ),
    "fixed and sticky elements": (
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
    "WebGL that does not preserve its buffer": (
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
    "a dark colour scheme without a background": (
        "<meta name=color-scheme content=dark><style>#mover { background: #fff !important }</style><p>words",
        (300, 60),
        (0x12, 0x12, 0x12),
    ),
    "an IntersectionObserver and content-visibility": (
        """<body style="margin:0"><p id=seen style="margin:0;width:96px;height:48px;background:#333"></p>
        <p style="margin:0;width:96px;height:48px;content-visibility:auto">words</p><script>
        new IntersectionObserver(([entry]) => (seen.style.background = entry.isIntersecting ? "#686" : "#333")).observe(seen);
        </script>""",
        (80, 40),
        (0x66, 0x88, 0x66),
    ),
    "a page that walks up to its root": (
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
    "a page that reads window.parent": (
        """<script>addEventListener("DOMContentLoaded", () => {
        const right = window.parent === window && parent === self && window.frameElement === null && opener === null;
        const size = innerWidth === 320 && innerHeight === 180 && devicePixelRatio === 1;
        document.body.style.background = right && size && document.hasFocus() ? "#686" : "#333";
        })</script>""",
        (300, 60),
        (0x66, 0x88, 0x66),
    ),
}
"""Pages that fast capture shows correctly, with the colour of one pixel of the first frame (None: not white)."""
ROUNDED_DIFFERENTLY = {"a modal dialog"}
"""The colour under a translucent layer may differ by one."""


@pytest.mark.parametrize("kind", SAFE)
def test_fast_capture_matches_faithful_capture(kind: str, tmp_path: Path) -> None:
    html, spot, colour = SAFE[kind]
    page = write_page(tmp_path, f"{html}{MOVER}")
    found = probe_page(page, tmp_path)
    assert (found.capture, found.motion) == ("stage", "step"), found.comparison
    assert_matches_faithful(page, tmp_path, "stage", exact=kind not in ROUNDED_DIFFERENTLY)
    assert_shows(tmp_path / "fast.mp4", 0, *spot, colour)


def test_a_video_shows_the_frame_of_the_clock(tmp_path: Path) -> None:
    shades = [20 + 12 * k for k in range(2 * FRAMES)]
    write_images(tmp_path / "clip.mp4", shades, 30, "libx264", "yuv420p", crf="1")
    page = write_page(
        tmp_path, "<video src=clip.mp4 autoplay muted style='position:absolute;left:96px;top:48px'></video>"
    )
    found = probe_page(page, tmp_path)
    assert (found.capture, found.motion) == ("stage", "jump"), found.comparison
    whole, _ = assert_matches_faithful(page, tmp_path, "stage", "jump")
    assert whole.repeated == 0
    for frame in range(FRAMES):
        shade = shades[frame]
        assert_shows(tmp_path / "fast.mp4", frame, 128, 80, (shade, shade, shade))
    later = draw(page, tmp_path / "later.mp4", "stage", "jump", range(5, FRAMES))
    assert later.hashes == whole.hashes[5:]


def test_a_page_receives_its_own_errors(tmp_path: Path) -> None:
    page = write_page(
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
    assert pixel[1] == pytest.approx(60, abs=2), "the page has received three errors"


def test_a_frame_that_the_browser_did_not_paint_is_an_error(tmp_path: Path) -> None:
    async def outcomes() -> list[Any]:
        async with open_page(Source.parse(write_page(tmp_path, MOVER)), SIZE, "stage", tmp_path / "work") as page:
            stage = StageCapture(page, Fraction(30))
            await stage.warm_up()
            await page.evaluate(f"{STAGE}.setCapturing(true)")
            return [await page.evaluate(f"{STAGE}.takeOutcome()"), await stage.draw(0)]

    unpainted, image = asyncio.run(outcomes())
    assert unpainted == {"error": "the browser did not paint the page"}
    assert image


def test_waiting_for_an_image_fails_when_the_browser_exits(tmp_path: Path) -> None:
    async def wait() -> None:
        async with open_page(Source.parse(write_page(tmp_path, MOVER)), SIZE, "stage", tmp_path / "work") as page:
            stage = StageCapture(page, Fraction(30))
            page.on_stage = lambda message: None  # drops the message that the image has arrived
            await stage.warm_up()
            image = await stage.draw(0)
            assert image
            (browser,) = browser_processes()
            browser.kill()
            async with asyncio.timeout(20):
                await image.arrived()

    with pytest.raises(BrowserError, match="exited unexpectedly"):
        asyncio.run(wait())


def test_props_belong_to_the_realm_of_the_page(tmp_path: Path) -> None:
    page = write_page(
        tmp_path, "<script>if (!(helios.props.list instanceof Array)) document.body.append('?')</script>" + MOVER
    )
    videos = [
        render(page, tmp_path / "video.mp4", 8, capture=way, props={"list": [1]})[0] for way in ("fast", "faithful")
    ]
    assert videos[0].hashes == videos[1].hashes
