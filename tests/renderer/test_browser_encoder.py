"""Videos that the browser encodes: every frame there, each at its time, joined without a seam."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import helios
from helios.errors import UsageError
from helios.renderer.encode.muxer import browser_settings
from helios.renderer.messages import Encoding
from support.videos import assert_exact, frame_pixels

FRAMES = 21
NUMBERED = """<!doctype html><meta charset=utf-8><style>body{margin:0;background:#246}
i{position:absolute;top:0;width:20px;height:180px;background:#fff}</style><body><script>
const bars = Array.from({ length: 6 }, () => document.body.appendChild(document.createElement("i")));
helios.seek = (t) => bars.forEach((bar, bit) => {
  bar.style.left = `${20 + 50 * bit}px`;
  bar.style.visibility = (Math.round(t * FPS) >> bit) & 1 ? "visible" : "hidden";
});
</script>"""


def numbered(folder: Path, fps: str = "30") -> Path:
    """A page whose frames show their number, a bar for each bit."""
    page = folder / "page.html"
    page.write_text(NUMBERED.replace("FPS", f"({fps})"), "utf-8")
    return page


def numbers(video: Path, frames: int) -> list[int]:
    """What the video's frames show."""
    seen: list[int] = []
    for frame in range(frames):
        pixels = frame_pixels(video, frame)
        seen.append(sum(1 << bit for bit in range(6) if pixels[90, 30 + 50 * bit].mean() > 128))
    return seen


def draw(page: Path, output: Path, **options: object) -> helios.RenderResult:
    return helios.render_sync(page, output, encoder="browser", fresh=True, **{"width": 320, "height": 180, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("fps", ["24000/1001", "30", "60"])
def test_every_frame_stands_at_its_time(fps: str, tmp_path: Path) -> None:
    output = tmp_path / "video.mp4"
    draw(numbered(tmp_path, fps), output, frames=FRAMES, fps=fps, chunk_frames=7)
    assert_exact(output, FRAMES, Fraction(fps))
    assert numbers(output, FRAMES) == list(range(FRAMES))


def test_frames_are_those_that_ffmpeg_gets_in_however_many_chunks(tmp_path: Path) -> None:
    page = numbered(tmp_path)
    ours = helios.render_sync(page, tmp_path / "ours.mp4", width=320, height=180, frames=FRAMES, capture="fast")
    for chunk_frames in (FRAMES, 7, 3):
        output = tmp_path / f"{chunk_frames}.mp4"
        assert draw(page, output, frames=FRAMES, chunk_frames=chunk_frames).hashes == ours.hashes
        assert numbers(output, FRAMES) == list(range(FRAMES))
        assert keys(output) == list(range(0, FRAMES, chunk_frames)), "a segment begins with its only key frame"


def test_frames_that_repeat_the_last_are_there_too(tmp_path: Path) -> None:
    page, output = tmp_path / "page.html", tmp_path / "video.mp4"
    page.write_text(
        "<!doctype html><body style='background:#246'><h1 id=h>0</h1><script>"
        "let n = 0; setInterval(() => (h.textContent = ++n), 333)</script>"
    )
    video = draw(page, output, frames=30, chunk_frames=15)
    assert len(set(video.hashes)) == 3
    assert_exact(output, 30, Fraction(30))
    for before, after in ((8, 9), (9, 10), (20, 21)):
        moved = np.abs(frame_pixels(output, before).astype(int) - frame_pixels(output, after)).max() > 60
        assert moved == (video.hashes[before] != video.hashes[after])


def test_a_full_size_canvas_is_encoded_too(pages: Path, tmp_path: Path) -> None:
    output = tmp_path / "video.mp4"
    plain = helios.render_sync(
        pages / "canvas-2d.html", tmp_path / "plain.mp4", width=320, height=180, frames=FRAMES, crf=4
    )
    video = draw(pages / "canvas-2d.html", output, frames=FRAMES, crf=4)
    assert video.hashes == plain.hashes
    for frame in (0, 10, 20):
        one, other = (frame_pixels(path, frame).astype(float) for path in (output, tmp_path / "plain.mp4"))
        assert 10 * np.log10(255**2 / ((one - other) ** 2).mean()) > 30, "they look alike"


def test_the_quality_asked_for_is_the_bits_that_are_spent(pages: Path, tmp_path: Path) -> None:
    sizes: list[int] = []
    for crf in (36, 24, 12):
        draw(pages / "canvas-2d.html", tmp_path / "video.mp4", frames=30, crf=crf)
        sizes.append((tmp_path / "video.mp4").stat().st_size)
    assert sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize(
    ("size", "fps", "level"),
    [((1920, 1080), 30, "28"), ((1920, 1080), 60, "2a"), ((3840, 2160), 30, "33"), ((3840, 2160), 60, "34")],
)
def test_the_level_is_the_lowest_that_will_do(size: tuple[int, int], fps: int, level: str) -> None:
    assert browser_settings(Encoding(encoder="browser"), *size, Fraction(fps))["codec"] == f"avc1.6400{level}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "veryfast"}, "has no presets"),
        ({"codec": "vp9"}, "encodes h264 in yuv420p, not the codec libvpx-vp9"),
        ({"pixel_format": "yuv444p"}, "not the pixel format yuv444p"),
        ({"width": 4098, "height": 2306}, "can't encode H.264 of 4098x2306"),
        ({"capture": "faithful"}, "only encodes with fast capture"),
    ],
)
def test_what_the_browser_cant_do_is_said_at_once(options: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        draw(numbered(tmp_path), tmp_path / "video.mp4", frames=5, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_page_that_can_only_be_drawn_faithfully_is_not_started(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><script>if (window.top !== window) window.top.location = location</script><h1>x</h1>"
    )
    with pytest.raises(
        UsageError, match=r"only encodes with fast capture, which this page can't use \(.*\): --encoder ffmpeg"
    ):
        draw(page, tmp_path / "video.mp4", frames=5)


def keys(video: Path) -> list[int]:
    """The numbers of the video's key frames."""
    with av.open(str(video)) as container:
        return [number for number, packet in enumerate(container.demux(video=0)) if packet.is_keyframe]
