"""Frame k has the same pixels however the video is split, and every time; the video is exact at every rate."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import helios
from helios.renderer.frame_diff import BLOCK, THRESHOLD
from support.videos import assert_exact, frame_pixels

KINDS = {
    "css-keyframes": "jump",
    "web-animations": "step",
    "raf-clock": "step",
    "timers": "step",
    "particles": "step",
    "canvas-2d": "seek",
    "webgl": "step",
    "smil": "step",
    "web-fonts": "step",
    "drift": "jump",
}
OTHERWISE_ANTIALIASED = {"css-keyframes", "smil", "drift"}
"""Kinds whose edges a canvas draws with other antialiasing than the browser's compositor."""
FRAMES = 21


def draw(page: Path, output: Path, **options: object) -> helios.RenderResult:
    return helios.render_sync(page, output, width=320, height=180, preset="ultrafast", workers=2, fresh=True, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("capture", ["fast", "faithful"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_three_and_seven_chunks_have_the_same_frames(kind: str, capture: str, pages: Path, tmp_path: Path) -> None:
    page, output = pages / f"{kind}.html", tmp_path / "video.mp4"
    whole = draw(page, output, frames=FRAMES, chunk_frames=FRAMES, capture=capture)
    assert len(whole.hashes) == FRAMES
    assert len(set(whole.hashes)) >= FRAMES // 2, "the page moves"
    assert_exact(output, FRAMES, Fraction(30))
    for chunks in (3, 7):
        events: list[helios.RenderEvent] = []
        split = draw(
            page, output, frames=FRAMES, chunk_frames=FRAMES // chunks, capture=capture, on_event=events.append
        )
        planned = events[0]
        assert (planned.event, planned.chunks, planned.motion) == ("render-planned", chunks, KINDS[kind])  # type: ignore[union-attr]
        assert split.hashes == whole.hashes, f"in {chunks} chunks"
        assert_exact(output, FRAMES, Fraction(30))


@pytest.mark.parametrize("kind", KINDS)
def test_fast_frames_agree_with_faithful_ones(kind: str, pages: Path, tmp_path: Path) -> None:
    page = pages / f"{kind}.html"
    lossless = {"frames": FRAMES, "crf": 0, "pixel_format": "yuv444p"}
    fast = draw(page, tmp_path / "fast.mp4", capture="fast", **lossless)
    faithful = draw(page, tmp_path / "faithful.mp4", capture="faithful", **lossless)
    for frame in range(FRAMES):
        ones, others = (frame_pixels(tmp_path / name, frame) for name in ("fast.mp4", "faithful.mp4"))
        assert np.abs(means(ones) - means(others)).max() <= THRESHOLD, frame
    if kind not in OTHERWISE_ANTIALIASED:
        assert fast.hashes == faithful.hashes


def means(pixels: np.ndarray) -> np.ndarray:
    """Of 16 x 16 pixels each, channel by channel."""
    height, width = (side - side % BLOCK for side in pixels.shape[:2])
    return pixels[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3).mean((1, 3))


@pytest.mark.parametrize("fps", ["24000/1001", "25", "60"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_stands_at_k_over_fps(kind: str, fps: str, pages: Path, tmp_path: Path) -> None:
    output = tmp_path / "video.mp4"
    draw(pages / f"{kind}.html", output, frames=7, fps=fps, chunk_frames=4)
    assert_exact(output, 7, Fraction(fps))
