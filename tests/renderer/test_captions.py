"""Subtitles that are drawn into the image: on time, over everything, untouched by the page, unnoticed by it."""

import asyncio
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from test_parity import means

from helios.composition import Composition, Cue, Declared, PageSettings, Source
from helios.renderer.browser.browser import open_page
from helios.renderer.draw import draw_chunk
from helios.renderer.frame_diff import THRESHOLD
from helios.renderer.messages import CaptureMethod, ChunkReport, ChunkSpec, Encoding, Motion, ProbeSpec
from helios.renderer.probe import probe
from support.videos import frame_pixels

SIZE = (320, 180)
FPS = Fraction(30000, 1001)
LOSSLESS = Encoding(preset="ultrafast", crf=0, pixel_format="yuv444p")
METHODS: list[CaptureMethod] = ["stage", "begin-frame", "screenshot"]
# Frames 2 and 3 (66.7 and 100.1 ms), 4 to 6 (133.5 ms to 200.2 ms), and 8 (266.9 ms): whole milliseconds are rounded.
CUES = (
    Cue(start_ms=67, end_ms=133, text="Hello <i>you</i>"),
    Cue(start_ms=133, end_ms=234, text="שלום\n<b>a &lt; b <3</b>"),
    Cue(start_ms=267, end_ms=300, text="long " * 40),
)
SHOWN = [0, 0, 1, 1, 2, 2, 2, 0, 3, 0]
PLAIN = "<!doctype html><body style='margin:0;background:#4682b4'>"
CANVAS = (
    "<!doctype html><body style='margin:0'><canvas id=c width=320 height=180 style='display:block'></canvas><script>"
    "const x = c.getContext('2d', {alpha: false}); helios.seek = (s) => {"
    "x.fillStyle = '#4682b4'; x.fillRect(0, 0, 320, 180); x.fillStyle = '#000'; x.fillRect(s * 300, 0, 9, 9); };</script>"
)


def write(folder: Path, html: str) -> Path:
    page = folder / "page.html"
    page.write_text(html, "utf-8")
    return page


def draw(
    page: Path,
    output: Path,
    method: CaptureMethod,
    frames: range = range(len(SHOWN)),
    motion: Motion = "jump",
    captions: tuple[Cue, ...] = CUES,
) -> ChunkReport:
    video = Composition(
        source=Source.parse(page),
        width=SIZE[0],
        height=SIZE[1],
        fps=FPS,
        frames=len(SHOWN),
        page=PageSettings(captions=captions),
    )
    spec = ChunkSpec(
        composition=video, start=frames.start, stop=frames.stop, encoding=LOSSLESS, capture=method, motion=motion
    )
    return asyncio.run(draw_chunk(spec, output, Path(tempfile.mkdtemp(dir=output.parent)), lambda done, total: None))


def pattern(hashes: tuple[str, ...]) -> list[int]:
    """Frames by which of them are alike, numbered as they come."""
    seen = list(dict.fromkeys(hashes))
    return [seen.index(one) for one in hashes]


def box(pixels: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what differs from the blue page."""
    rows, columns = np.nonzero(np.abs(pixels.astype(int) - (70, 130, 180)).max(axis=2) > 40)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


@pytest.mark.parametrize("method", METHODS)
def test_every_frame_shows_what_belongs_to_it_wherever_a_chunk_begins(method: CaptureMethod, tmp_path: Path) -> None:
    page = write(tmp_path, PLAIN)
    whole = draw(page, tmp_path / "whole.mp4", method)
    assert pattern(whole.hashes) == SHOWN
    for start in (3, 5):
        part = draw(page, tmp_path / "part.mp4", method, range(start, len(SHOWN)))
        assert part.hashes == whole.hashes[start:]
    left, top, right, bottom = box(frame_pixels(tmp_path / "whole.mp4", 2))
    assert abs(left + right - SIZE[0]) <= 1
    assert SIZE[1] / 2 < top < bottom < 0.96 * SIZE[1]
    wide, high, till, _ = box(frame_pixels(tmp_path / "whole.mp4", 8))
    assert high < top - 20, "it goes on in further lines"
    assert 0.04 * SIZE[0] < wide < till < 0.96 * SIZE[0]


def test_fast_and_faithful_agree(tmp_path: Path) -> None:
    page = write(tmp_path, PLAIN)
    for method in METHODS:
        draw(page, tmp_path / f"{method}.mp4", method)
    for frame in (2, 4, 8):
        stage, exact, shot = (frame_pixels(tmp_path / f"{method}.mp4", frame) for method in METHODS)
        assert (exact == shot).all()
        assert np.abs(means(stage) - means(exact)).max() <= THRESHOLD


def test_a_page_that_is_one_canvas_has_them_over_it(tmp_path: Path) -> None:
    page = write(tmp_path, CANVAS)
    direct = draw(page, tmp_path / "direct.mp4", "canvas", motion="seek")
    draw(page, tmp_path / "exact.mp4", "begin-frame", motion="seek")
    assert len(set(direct.hashes)) == len(SHOWN)
    for frame, shown in enumerate(SHOWN):
        one, other = (frame_pixels(tmp_path / f"{name}.mp4", frame) for name in ("direct", "exact"))
        assert np.abs(means(one) - means(other)).max() <= THRESHOLD
        assert (one[90:].min() < 40) == bool(shown)


HOSTILE = """<!doctype html><style>
@layer one { :not(html) { display: none !important; color: red !important } }
* { transform: rotate(9deg) !important; opacity: .5 !important; font-size: 3px !important; transition: all 9s !important }
html { filter: invert(1); overflow: hidden; writing-mode: vertical-rl; direction: rtl; letter-spacing: 9px }
html > *, :not(:defined), :popover-open { visibility: hidden !important; inset: auto !important }
</style><body>"""
OVER = """<!doctype html><meta http-equiv=Content-Security-Policy content="style-src 'unsafe-inline'; require-trusted-types-for 'script'">
<body style="margin:0"><dialog id=d style="inset:0;width:100%;height:100%;max-width:none;max-height:none;margin:0;padding:0;border:0;outline:0;background:#4682b4"></dialog>
<script>helios.seek = (s) => { if (s > .08 && !d.open) d.showModal(); }</script>"""


@pytest.mark.parametrize(("html", "alike"), [(HOSTILE, "<!doctype html>"), (OVER, PLAIN)])
def test_nothing_of_the_page_reaches_or_covers_them(html: str, alike: str, tmp_path: Path) -> None:
    draw(write(tmp_path, alike), tmp_path / "alike.mp4", "begin-frame")
    draw(write(tmp_path, html), tmp_path / "page.mp4", "begin-frame", motion="seek")
    for frame in (4, 8):
        one, other = (frame_pixels(tmp_path / f"{name}.mp4", frame) for name in ("alike", "page"))
        assert one.min() < 80, "there is something to see"
        assert np.abs(one.astype(int) - other).max() < 20, "only edges may be blended otherwise"


def test_a_page_that_writes_itself_anew_has_them_still(tmp_path: Path) -> None:
    anew = (
        "<script>helios.seek = (s) => { if (s > .1) document.documentElement.replaceChildren(document.body) }</script>"
    )
    report = draw(write(tmp_path, PLAIN + anew), tmp_path / "video.mp4", "begin-frame", motion="seek")
    assert pattern(report.hashes) == SHOWN


NOTICING = """<!doctype html><p id=p>a</p><script>
const seen = [];
new MutationObserver((records) => seen.push(...records)).observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
</script>"""


def test_a_page_has_nothing_of_them_in_its_body_and_notices_no_change(tmp_path: Path) -> None:
    page = write(tmp_path, NOTICING)

    async def look() -> tuple[object, ...]:
        async with open_page(Source.parse(page), SIZE, "screenshot", tmp_path, PageSettings(captions=CUES)) as opened:
            await opened.evaluate("void seen.splice(0)")
            for frame in range(6):
                await opened.advance(frame, frame * 1001 / 30, 0.0)
            return (
                await opened.evaluate("seen.length"),
                await opened.evaluate("document.elementFromPoint(160, 160).localName"),
                await opened.evaluate("document.activeElement.localName + document.body.children.length"),
                await opened.evaluate("document.querySelector('helios-captions').shadowRoot"),
                await opened.motion(),
            )

    assert asyncio.run(look()) == (0, "html", "body2", None, "jump")


@pytest.mark.parametrize(("html", "method"), [(PLAIN, "stage"), (CANVAS, "canvas")])
def test_the_probe_draws_with_them(html: str, method: str, tmp_path: Path) -> None:
    spec = ProbeSpec(
        source=Source.parse(write(tmp_path, html)),
        declared=Declared(width=SIZE[0], height=SIZE[1], fps=FPS, frames=len(SHOWN)),
        capture="auto",
        page=PageSettings(captions=CUES),
    )
    found = asyncio.run(probe(spec, tmp_path / "work"))
    assert (found.capture, found.motion) == (method, "jump" if method == "stage" else "seek")
    assert found.composition.page.captions == CUES
