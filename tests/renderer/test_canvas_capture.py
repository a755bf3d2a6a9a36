"""A page that consists of one canvas is captured from that canvas; other canvases are drawn with their page."""

from pathlib import Path
from typing import Any

import pytest
from stage_pages import (
    SIZE,
    assert_matches_faithful,
    assert_shows,
    capture_methods,
    draw,
    probe_page,
    render,
    warnings,
    write_page,
)
from test_fallback import LATE

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
    return write_page(folder, CANVAS.format(style=style, over=over, then=then, width=size[0], height=size[1]))


CLEAR = "context.clearRect(0, 96, 320, 64);"


def test_a_plain_canvas_is_captured_directly(tmp_path: Path) -> None:
    page = canvas_page(tmp_path)
    assert probe_page(page, tmp_path).capture == "canvas"
    fast, _ = assert_matches_faithful(page, tmp_path, "canvas")
    assert fast.repeated == 0
    assert_shows(tmp_path / "fast.mp4", 2, 40, 60, (255, 255, 255))
    assert_shows(tmp_path / "fast.mp4", 2, 100, 60, (0x44, 0x66, 0x88))


NOT_PLAIN: dict[str, dict[str, Any]] = {
    "an element over it": {
        "over": "<div style='position:absolute;left:0;top:96px;width:96px;height:64px;background:#888'></div>"
    },
    "a pseudo-element over it": {
        "style": "body::after { content: ''; position: absolute; left: 0; top: 96px; width: 96px; height: 64px;"
        " background: #888 }"
    },
    "rounded": {"style": "canvas { border-radius: 64px }"},
    "opacity": {"style": "canvas { opacity: 0.5 }"},
    "opacity of its page": {"style": "body { opacity: 0.5 }"},
    "smaller": {"size": (256, 128)},
    "transformed": {"style": "canvas { transform: translate(32px, 16px) }"},
    "translucent": {"then": CLEAR},
}


BLENDED = {"opacity", "opacity of its page"}
"""Kinds whose colours are rounded differently in a canvas."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The hashes of a plain canvas."""
    folder = tmp_path_factory.mktemp("plain")
    return draw(canvas_page(folder), folder / "plain.mp4", "begin-frame").hashes


@pytest.mark.parametrize("kind", NOT_PLAIN)
def test_a_canvas_with_other_content_or_styles_is_drawn_with_the_page(
    kind: str, plain: tuple[str, ...], tmp_path: Path
) -> None:
    page = canvas_page(tmp_path, **NOT_PLAIN[kind])
    found = probe_page(page, tmp_path)
    assert found.capture == "stage", found.comparison
    _, faithful = assert_matches_faithful(page, tmp_path, "stage", exact=kind not in BLENDED)
    assert set(plain).isdisjoint(faithful.hashes), "the difference is visible"


@pytest.mark.parametrize("capture", ["auto", "fast"])
def test_a_canvas_that_becomes_translucent_is_rendered_again_with_the_page(capture: str, tmp_path: Path) -> None:
    page = canvas_page(tmp_path, then=f"if (k >= 20) {CLEAR}")
    faithful = draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(24))
    assert_shows(tmp_path / "faithful.mp4", 20, 300, 128, (0x88, 0x66, 0x44))
    video, events = render(page, tmp_path / "video.mp4", 24, capture=capture)
    assert capture_methods(events) == ["canvas", "stage"]
    (warning,) = warnings(events)
    assert "the page's canvas is not opaque" in warning
    assert warning.endswith("Helios renders it again")
    assert video.hashes == faithful.hashes


def test_a_video_falls_back_from_canvas_to_stage_to_faithful_capture(other_origin: str, tmp_path: Path) -> None:
    late = LATE["image"].replace("{other_origin}", other_origin)
    page = canvas_page(tmp_path, then=f"if (k >= 20) {CLEAR} if (k === 30) {{ {late} }}")
    faithful = draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(36))
    video, events = render(page, tmp_path / "auto.mp4", 36)
    assert capture_methods(events) == ["canvas", "stage", "begin-frame"]
    assert len(warnings(events)) == 2
    assert video.hashes == faithful.hashes


def test_a_desynchronized_canvas_is_captured_in_every_frame(tmp_path: Path) -> None:
    page = write_page(
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
    "a pseudo-element before it": ("div { display: contents } div::before { content: 'words'; position: absolute; top: 0 }",
        "<div></div>"),
    "its page's background": ("html { background: #000 } body { background: #864; height: 180px }"
        " canvas { position: fixed; top: 0; z-index: -1 }", ""),
    "a page that is not shown": ("body { content-visibility: hidden; height: 180px }", ""),
    "a mask": ("canvas { -webkit-mask-box-image: linear-gradient(#000, transparent) }", ""),
}  # fmt: skip


@pytest.mark.parametrize("kind", OVER)
def test_a_covered_or_styled_canvas_is_not_captured_directly(kind: str, tmp_path: Path) -> None:
    style, over = OVER[kind]
    page = write_page(
        tmp_path,
        f"""<style>body {{ margin: 0 }} canvas {{ display: block }} {style}</style>
        <canvas id=c width=320 height=180></canvas>{over}<script>const x = c.getContext("2d");
        each((k) => {{ x.fillStyle = "#468"; x.fillRect(0, 0, 320, 180);
        x.fillStyle = "#fff"; x.fillRect(16 * k, 48, 16, 16); }});</script>""",
    )
    # The stage paints the canvas over the outline, the browser below it: the probe has to find that.
    capture = "auto" if kind == "an outline" else "fast"
    fast, _ = render(page, tmp_path / "fast.mp4", 8, capture=capture)
    assert fast.hashes == draw(page, tmp_path / "faithful.mp4", "begin-frame").hashes


def test_a_canvas_that_is_clipped_late_is_not_captured_directly(tmp_path: Path) -> None:
    page = write_page(
        tmp_path,
        """<body style="margin:0;background:#864"><div id=box style="overflow:hidden;width:320px">
        <canvas id=c width=320 height=180 style="display:block"></canvas></div><script>const x = c.getContext("2d");
        each((k) => { x.fillStyle = "#468"; x.fillRect(0, 0, 320, 180); x.fillStyle = "#fff";
        x.fillRect(16 * (k % 20), 48, 16, 16); if (k > 14) box.style.width = "160px"; });</script>""",
    )
    video, _ = render(page, tmp_path / "auto.mp4", 24)
    assert video.hashes == draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(24)).hashes


PLACED = {
    "in the margins of its page": "body { margin: 16px }",
    "down the page": "canvas { margin-top: 48px }",
    "in the corner": "canvas { position: absolute; right: 16px; bottom: 16px }",
}


RESIZED = {
    "scaled": "body { margin: 0 } canvas { width: 80px }",
    "with a border": "body { margin: 0 } canvas { border: 8px solid #888 }",
    "with a padding": "body { margin: 0 } canvas { padding: 8px }",
}


@pytest.mark.parametrize(
    ("place", "kind"), [*((place, "2d") for place in PLACED | RESIZED), ("down the page", "webgl")]
)
def test_a_canvas_is_drawn_in_its_place(place: str, kind: str, tmp_path: Path) -> None:
    style = (PLACED | RESIZED)[place]
    html = f"<style>canvas {{ display: block }} {style}</style><canvas id=c width=160 height=80></canvas>"
    if kind == "2d":
        html += """<script>const x = c.getContext("2d"); each((k) => { x.fillStyle = "#468"; x.fillRect(0, 0, 160, 80);
        x.fillStyle = "#fff"; x.fillRect(16 * k, 16, 16, 16); });</script>"""
    else:
        html += """<script>const gl = c.getContext("webgl"); each((k) => { gl.disable(gl.SCISSOR_TEST);
        gl.clearColor(0.2, 0.4, 0.6, 1); gl.clear(gl.COLOR_BUFFER_BIT); gl.enable(gl.SCISSOR_TEST);
        gl.scissor(16 * k, 16, 16, 16); gl.clearColor(1, 1, 1, 1); gl.clear(gl.COLOR_BUFFER_BIT); });</script>"""
    page = write_page(tmp_path, html)
    found = probe_page(page, tmp_path)
    if place in RESIZED:
        assert found.capture == "begin-frame"
        assert found.comparison is not None
        assert "a canvas that is scaled" in str(found.comparison.reason)
    else:
        assert found.capture == "stage"
        assert_matches_faithful(page, tmp_path, "stage")
