"""How images are taken: damage, begin frames, screenshots, pages of every source."""

import asyncio
import functools
import threading
from fractions import Fraction
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

import helios
from helios.composition import Composition, Source
from helios.renderer.draw import draw_chunk
from helios.renderer.messages import CaptureMethod, ChunkReport, ChunkSpec, Encoding, Motion
from support.videos import assert_exact, frame_pixels

STILL = "<!doctype html><body style='margin:0;background:#264'><h1>Nothing moves</h1>"


def draw(
    page: Path, folder: Path, frames: range, *, method: CaptureMethod = "begin-frame", motion: Motion = "step"
) -> ChunkReport:
    composition = Composition(source=Source.parse(page), width=320, height=180, fps=Fraction(30), frames=frames.stop)
    spec = ChunkSpec(
        composition=composition,
        start=frames.start,
        stop=frames.stop,
        encoding=Encoding(preset="ultrafast"),
        capture=method,
        motion=motion,
    )
    folder.mkdir(exist_ok=True)
    return asyncio.run(draw_chunk(spec, folder / "segment.mp4", folder, lambda done, total: None))


def test_a_frame_without_damage_costs_no_image_and_is_the_last_one_again(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(STILL)
    report = draw(tmp_path / "page.html", tmp_path / "work", range(0, 12))
    assert report.repeated == 11
    assert len(set(report.hashes)) == 1
    assert_exact(tmp_path / "work" / "segment.mp4", 12, Fraction(30))


SPARSE = {
    "words": "<p id=p>-</p><script>const draw = (n) => (p.textContent = n);",
    "canvas": "<canvas id=c></canvas><script>const x = c.getContext('2d'), draw = (n) => x.fillRect(n * 9, 0, 5, 5);",
    "offscreen": "<canvas id=c></canvas><script>const x = c.transferControlToOffscreen().getContext('2d'),"
    " draw = (n) => x.fillRect(n * 9, 0, 5, 5);",
    "frame": "<iframe id=f srcdoc='<p>-</p>'></iframe><script>const draw = (n) =>"
    " (f.contentDocument.body.textContent = n);",
    "layer": "<p id=p style='will-change:transform'>a</p><script>const draw = (n) =>"
    " (p.style.transform = `translateX(${n * 9}px)`);",
}


@pytest.mark.parametrize("kind", SPARSE)
def test_a_change_after_frames_without_any_is_seen(kind: str, tmp_path: Path) -> None:
    loop = "let n = 0; (function loop() { if (n % 5 === 0) draw(n); n++; requestAnimationFrame(loop); })();</script>"
    (tmp_path / "page.html").write_text(f"<!doctype html><body>{SPARSE[kind]}{loop}")
    hashes = draw(tmp_path / "page.html", tmp_path / "work", range(0, 20)).hashes
    changes = [k for k in range(1, 20) if hashes[k] != hashes[k - 1]]
    assert changes == [4, 9, 14, 19]


@pytest.mark.parametrize("kind", ["gif", "apng"])
def test_a_moving_image_moves(kind: str, tmp_path: Path) -> None:
    images = [np.full((16, 16, 3), shade, np.uint8) for shade in (10, 90, 170, 250)]
    with av.open(str(tmp_path / f"moving.{kind}"), "w", format=kind, options={"loop": "0", "plays": "0"}) as container:
        stream = container.add_stream(kind, rate=10)
        assert isinstance(stream, VideoStream)
        stream.width = stream.height = 16
        stream.pix_fmt = {"gif": "rgb8", "apng": "rgb24"}[kind]
        for pixels in images:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=stream.pix_fmt)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (tmp_path / "page.html").write_text(f"<!doctype html><img src=moving.{kind}>")
    whole = draw(tmp_path / "page.html", tmp_path / "work", range(0, 12)).hashes
    assert len(set(whole)) == 4
    assert draw(tmp_path / "page.html", tmp_path / "work", range(5, 12)).hashes == whole[5:]


def test_no_chunk_begins_with_a_blank_frame(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(STILL)
    for start in (0, 7):
        draw(tmp_path / "page.html", tmp_path / "work", range(start, start + 2), motion="jump")
        first = frame_pixels(tmp_path / "work" / "segment.mp4", 0)
        assert np.abs(first[150, 300].astype(int) - (0x22, 0x66, 0x44)).max() <= 4
        assert first.std() > 5, "the words are there"


@pytest.mark.parametrize("kind", ["css-keyframes", "raf-clock", "particles", "smil"])
def test_screenshots_are_the_same_in_chunks_too(kind: str, pages: Path, tmp_path: Path) -> None:
    page = pages / f"{kind}.html"
    whole = draw(page, tmp_path / "work", range(0, 8), method="screenshot")
    later = draw(page, tmp_path / "work", range(4, 8), method="screenshot")
    assert later.hashes == whole.hashes[4:]
    assert len(set(whole.hashes)) == 8


def test_a_page_from_an_address_is_drawn_as_from_its_folder(pages: Path, tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(pages)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/web-fonts.html"
        there = helios.render_sync(url, tmp_path / "a.mp4", width=320, height=180, frames=4)
    finally:
        server.shutdown()
        server.server_close()
    here = helios.render_sync(pages / "web-fonts.html", tmp_path / "b.mp4", width=320, height=180, frames=4)
    assert there.hashes == here.hashes


def test_fonts_images_and_styles_are_there_in_frame_0(pages: Path, tmp_path: Path) -> None:
    av_image(tmp_path / "red.png", (255, 0, 0))
    (tmp_path / "style.css").write_text("body{background:url(red.png)}")
    (tmp_path / "early.ttf").write_bytes((pages / "fonts" / "early.ttf").read_bytes())
    (tmp_path / "index.html").write_text(
        """<!doctype html><link rel=stylesheet href=style.css><style>@font-face{font-family:E;src:url(early.ttf)}
        p{font:60px E;margin:0}</style><p>Wide</p><img src=red.png style="position:absolute;left:0;top:100px"><script>
        const width = document.querySelector("p").getBoundingClientRect();
        requestAnimationFrame(() => { document.title = [document.fonts.status, document.fonts.check("60px E")].join(); });
        </script>"""
    )
    report = draw(tmp_path / "index.html", tmp_path / "work", range(0, 3))
    assert len(set(report.hashes)) == 1, "nothing arrives late"
    assert report.warnings == ()
    first = frame_pixels(tmp_path / "work" / "segment.mp4", 0)
    assert np.abs(first[170, 310].astype(int) - (255, 0, 0)).max() <= 4


def test_a_video_in_the_page_shows_the_frame_of_the_clock(tmp_path: Path) -> None:
    shades = [20 + 7 * k for k in range(30)]
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.options = {"crf": "1"}
        for shade in shades:
            pixels = np.full((64, 64, 3), shade, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    (tmp_path / "page.html").write_text(
        "<!doctype html><body style='margin:0;background:#fff'><video src=clip.mp4 autoplay muted style='display:block'></video>"
    )
    for frames in (range(0, 12), range(7, 12)):
        draw(tmp_path / "page.html", tmp_path / "work", frames)
        for index, frame in enumerate(frames):
            seen = frame_pixels(tmp_path / "work" / "segment.mp4", index)[32, 32]
            assert np.abs(seen.astype(int) - shades[frame]).max() <= 3, f"frame {frame}"


def test_only_a_segment_s_first_frame_is_a_key_frame(pages: Path, tmp_path: Path) -> None:
    draw(pages / "css-keyframes.html", tmp_path / "work", range(0, 12))
    with av.open(str(tmp_path / "work" / "segment.mp4")) as container:
        keys = [packet.is_keyframe for packet in container.demux(video=0) if packet.size]
    assert keys == [True] + [False] * 11


def av_image(path: Path, colour: tuple[int, int, int]) -> None:
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width = stream.height = 32
        stream.pix_fmt = "rgb24"
        pixels = np.full((32, 32, 3), colour, np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass
