"""A known frame looks as it should, to the pixel."""

import asyncio
import base64
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import helios
from helios.renderer.capture.frames import EncodedFrame, hash_pixels
from helios.renderer.messages import EncoderChoice
from support.videos import assert_exact, frame_pixels, image_pixels

CARD = """<!doctype html><meta charset=utf-8><meta name=helios content="width=320, height=180, fps=25, duration=2">
<style>body{margin:0;background:#fff}div{position:absolute;width:40px;height:30px}
@keyframes k{to{transform:translateX(250px)}}#m{top:100px;background:#f0f;animation:k 2s linear}</style>
<div style="left:0;top:0;background:#f00"></div><div style="left:280px;top:0;background:#0f0"></div>
<div style="left:0;top:150px;background:#00f"></div><div style="left:280px;top:150px;background:#808080"></div>
<div style="left:100px;top:50px;background:rgb(12,200,99)"></div><div id=m></div>"""


def test_colours_and_places_are_right_before_encoding(tmp_path: Path) -> None:
    (tmp_path / "card.html").write_text(CARD)
    asyncio.run(helios.still(tmp_path / "card.html", tmp_path / "still.png", frame=20))
    wanted = np.full((180, 320, 3), 255, np.uint8)
    for left, top, colour in [
        (0, 0, (255, 0, 0)),
        (280, 0, (0, 255, 0)),
        (0, 150, (0, 0, 255)),
        (280, 150, (128, 128, 128)),
        (100, 50, (12, 200, 99)),
        (100, 100, (255, 0, 255)),  # 0.8 s of 2 s: 100 of 250 pixels
    ]:
        wanted[top : top + 30, left : left + 40] = colour
    seen = image_pixels(tmp_path / "still.png")
    moving = np.abs(seen.astype(int) - wanted)
    # The mover stands 0.001 ms further than 100 px, so its edges may be a shade off.
    assert moving[:, 99:142].max() <= 2
    moving[100:130, 99:142] = 0
    assert moving.max() == 0


@pytest.mark.parametrize("encoder", ["ffmpeg", "browser"])
def test_colours_come_back_from_the_video(encoder: EncoderChoice, tmp_path: Path) -> None:
    (tmp_path / "card.html").write_text(CARD)
    helios.render_sync(tmp_path / "card.html", tmp_path / "card.mp4", frame_range="20:22", crf=4, encoder=encoder)
    seen = frame_pixels(tmp_path / "card.mp4", 0)
    assert_exact(tmp_path / "card.mp4", 2, Fraction(25))
    for x, y, colour in [
        (20, 15, (255, 0, 0)),
        (300, 15, (0, 255, 0)),
        (20, 165, (0, 0, 255)),
        (300, 165, (128, 128, 128)),
        (120, 65, (12, 200, 99)),
        (120, 115, (255, 0, 255)),
        (200, 90, (255, 255, 255)),
    ]:
        assert np.abs(seen[y, x].astype(int) - colour).max() <= 3, (x, y, seen[y, x])


def test_a_still_is_the_frame_of_the_video(tmp_path: Path) -> None:
    (tmp_path / "card.html").write_text(CARD)
    video = helios.render_sync(tmp_path / "card.html", tmp_path / "card.mp4", frame_range="30:31", workers=1)
    asyncio.run(helios.still(tmp_path / "card.html", tmp_path / "still.png", frame=30))
    image = base64.b64encode((tmp_path / "still.png").read_bytes()).decode()
    assert hash_pixels(EncodedFrame(image).pixels()) == video.hashes[0]
