"""Unchanged frames repeat the last image, and every change is captured."""

from fractions import Fraction
from pathlib import Path

import pytest
from stage_pages import assert_shows, capture_methods, draw, render, write_images, write_page

from support.videos import assert_exact


def test_unchanged_frames_are_repeated(tmp_path: Path) -> None:
    page = write_page(
        tmp_path,
        """<body style="margin:0"><div id=box style="width:64px;height:64px;background:#486"></div><script>
        let n = 0; setInterval(() => (box.style.marginLeft = `${16 * ++n}px`), 200);</script>""",
    )
    video, events = render(page, tmp_path / "fast.mp4", 18, fps=25, chunk_frames=9, capture="fast")
    assert capture_methods(events) == ["stage"]
    assert [len(set(video.hashes[k : k + 5])) for k in (0, 5, 10, 15)] == [1, 1, 1, 1]
    assert len(set(video.hashes)) == 4
    finished = {event.chunk: event.repeated for event in events if event.event == "chunk-finished"}
    assert finished == {0: 9 - 2, 1: 9 - 3}, "the first frame of a chunk is drawn, and those with a change"
    assert video.hashes == render(page, tmp_path / "faithful.mp4", 18, fps=25, capture="faithful")[0].hashes
    assert_exact(tmp_path / "fast.mp4", 18, Fraction(25))


def test_a_page_that_never_changes_is_drawn_once(tmp_path: Path) -> None:
    page = write_page(tmp_path, "<body style='background:#264'><h1>Nothing moves</h1>")
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
def test_a_change_after_unchanged_frames_is_captured(kind: str, tmp_path: Path) -> None:
    page = write_page(tmp_path, f"{SPARSE[kind]}<script>each((k) => {{ if (k % 5 === 4) draw(k); }})</script>")
    method = "canvas" if kind == "whole canvas" else "stage"
    whole = draw(page, tmp_path / "whole.mp4", method, frames=range(15)).hashes
    assert [k for k in range(1, 15) if whole[k] != whole[k - 1]] == [4, 9, 14]
    assert draw(page, tmp_path / "later.mp4", method, frames=range(7, 15)).hashes == whole[7:]
    assert draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(15)).hashes == whole


@pytest.mark.parametrize(("kind", "codec", "pixel_format"), [("gif", "gif", "rgb8"), ("webp", "libwebp_anim", "bgra")])
def test_an_animated_image_moves_with_auto_capture(kind: str, codec: str, pixel_format: str, tmp_path: Path) -> None:
    write_images(tmp_path / f"moving.{kind}", [10, 90, 170, 250], 10, codec, pixel_format, loop="0")
    page = write_page(tmp_path, f"<img src=moving.{kind}>")
    video, _ = render(page, tmp_path / "auto.mp4", 12)
    faithful = draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(12))
    assert video.hashes == faithful.hashes
    assert len(set(video.hashes)) == 4


def test_a_movement_below_a_hundredth_of_a_pixel_shows_in_every_frame(tmp_path: Path) -> None:
    # Each box is a little further right than the one before, so in every frame the shade of some edge changes.
    page = write_page(
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


SLOWLY = {
    "a paused animation": """const a = box.animate([{ transform: "translateX(0)" }, { transform: "translateX(60px)" }],
        { duration: 1e6, fill: "both" }); a.pause(); helios.seek = (s) => (a.currentTime = 1000 * s);""",
    "keyframes": """const a = box.animate({}, { duration: 1e6, fill: "both" }); a.pause(); helios.seek = (s) => {
        const transform = `translateX(${0.06 * s}px)`; a.effect.setKeyframes([{ transform }, { transform }]); };""",
    "a rule in a group": """const group = sheet.sheet.cssRules[0]; helios.seek = (s) => { group.deleteRule(0);
        group.insertRule(`#box { transform: translateX(${0.06 * s}px) }`); };""",
}


@pytest.mark.parametrize("kind", SLOWLY)
def test_slow_movement_is_the_same_in_chunks(kind: str, tmp_path: Path) -> None:
    page = write_page(
        tmp_path,
        f"""<style id=sheet>@media all {{ #box {{ top: 0 }} }}</style>
        <div id=box style="width:64px;height:64px;background:#000"></div><script>{SLOWLY[kind]}</script>""",
    )
    whole = draw(page, tmp_path / "whole.mp4", "stage", "seek", range(24)).hashes
    assert len(set(whole)) > 1
    assert draw(page, tmp_path / "part.mp4", "stage", "seek", range(12, 24)).hashes == whole[12:]
