"""Every kind of file that a video can become: exact, of the right colours, transparent through every join."""

import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

import helios
from helios.composition import FORMATS, image_name, named, parse_format
from helios.composition.animated import gif_frame_ends, webp_frame_ends
from helios.errors import UsageError
from helios.orchestrator import RenderResult
from support.videos import frame_times

SIZE = (96, 64)
FRAMES = 14
COLOURS = [(255, 0, 0), (0, 160, 70), (20, 40, 200), (200, 200, 60), (128, 128, 128), (250, 250, 250)]
FILM = Fraction(24000, 1001)
Pixels = NDArray[np.int64]

# Six fields of one colour each. Below them a square that moves on by 4 pixels a frame, half transparent.
PAGE = """<!doctype html><meta name="helios" content="width=96, height=64, fps=24000/1001, frames=14">
<style>
  body {{ margin: 0; overflow: hidden }}
  i {{ position: absolute; top: 0; width: 16px; height: 32px }}
  b {{ position: absolute; top: 40px; width: 16px; height: 16px; background: {half};
    animation: on {seconds}s steps(14) both }}
  @keyframes on {{ to {{ transform: translateX(56px) }} }}
</style>{fields}<b></b>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    fields = "".join(f'<i style="left: {16 * k}px; background: rgb{colour}"></i>' for k, colour in enumerate(COLOURS))
    path.write_text(PAGE.format(half="rgb(0 0 255 / 50%)", fields=fields, seconds=14 * 1001 / 24000))
    return path


def rendered(page: Path, output: Path, **options: object) -> RenderResult:
    return helios.render_sync(page, output, chunk_frames=5, workers=2, **options)  # type: ignore[arg-type]


def decoded(path: Path) -> list[Pixels]:
    """All frames, RGBA."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert isinstance(stream.codec_context, VideoCodecContext)
        clear = stream.codec_context.name == "vp9"  # whose own decoder leaves the transparency out
        context = CodecContext.create("libvpx-vp9", "r") if clear else stream.codec_context
        assert isinstance(context, VideoCodecContext)
        return [shown(frame) for packet in container.demux(stream) for frame in context.decode(packet)]


def shown(frame: VideoFrame) -> Pixels:
    exactly = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    return np.asarray(frame.to_ndarray(format="rgba", interpolation=exactly), np.int64)


def field(pixels: Pixels, number: int) -> Pixels:
    """The mean colour inside of a field."""
    return pixels[8:24, 16 * number + 4 : 16 * number + 12, :3].reshape(-1, 3).mean(axis=0)


def square(pixels: Pixels, frame: int) -> Pixels:
    """What is inside of the moving square of that frame."""
    return pixels[44:52, 4 * frame + 4 : 4 * frame + 12].reshape(-1, 4)


def assert_colours(pixels: Pixels, within: int) -> None:
    for number, colour in enumerate(COLOURS):
        assert field(pixels, number) == pytest.approx(np.array(colour), abs=within), colour


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("a.mp4", {"codec": "h265"}),
        ("a.mp4", {"codec": "av1"}),
        ("a.webm", {}),
        ("a.webm", {"codec": "av1"}),
        ("a.mov", {"codec": "prores"}),
        ("a.mkv", {"codec": "vp9"}),
        ("a.ts", {}),
        ("a.mp4", {"encoder": "browser"}),
    ],
)
def test_a_known_colour_comes_back_and_the_file_says_which_it_is(
    name: str, options: dict[str, object], page: Path, tmp_path: Path
) -> None:
    output = tmp_path / name
    rendered(page, output, **({"crf": 12} | options))
    frames = decoded(output)
    assert len(frames) == FRAMES
    for pixels in frames:
        assert_colours(pixels, within=2 if "encoder" not in options else 3)  # the browser's encoder rounds otherwise
    with av.open(str(output)) as container:
        context = container.streams.video[0].codec_context
        tags = (context.color_primaries, context.color_trc, context.colorspace, context.color_range)
        # By ITU-T H.273: BT.709, limited range. Browsers take sRGB's curve (13), and say so.
        assert tags == ((1, 13, 1, 2) if "encoder" in options else (1, 1, 1, 1))
    tick = Fraction(1, 2000) if output.suffix in (".webm", ".mkv") else Fraction(1, 180_000)
    times = frame_times(output)
    wanted = [k / FILM for k in range(FRAMES)]
    for time, want in zip(times, wanted, strict=True):
        assert abs(time - times[0] - want) <= (0 if output.suffix in (".mp4", ".mov") else tick)


@pytest.mark.parametrize("capture", ["fast", "faithful"])
@pytest.mark.parametrize(("name", "off"), [("a.webm", 3), ("a.mov", 1), ("a.mkv", 3), ("a-%d.png", 0)])
def test_transparency_comes_through_every_join(name: str, off: int, capture: str, page: Path, tmp_path: Path) -> None:
    output = tmp_path / "videos" / name
    output.parent.mkdir()
    rendered(page, output, alpha=True, capture=capture, crf=12 if off == 3 else None)
    within = {3: 5, 1: 2, 0: 0}[off]  # VP9 is the coarsest of them
    files = [tmp_path / "videos" / image_name(name, k) for k in range(FRAMES)] if "%" in name else [output]
    assert sorted(output.parent.iterdir()) == sorted(files)
    frames = [pixels for file in files for pixels in decoded(file)]
    assert len(frames) == FRAMES
    for number, pixels in enumerate(frames):
        assert_colours(pixels, within)
        assert square(pixels, number)[:, 3] == pytest.approx(128, abs=max(1, off)), f"frame {number}"
        assert square(pixels, number)[:, 2].min() >= 250, "its colour is not darkened by its transparency"
        assert pixels[36:38, :, 3].max() <= off, "between the fields and the square there is nothing"
        assert pixels[:30, :, 3].min() >= 255 - off
    if output.suffix in (".webm", ".mkv"):
        assert [round(1000 * time) for time in frame_times(output)] == [
            int(1000 * k / FILM + Fraction(1, 2)) for k in range(FRAMES)
        ]


def test_a_transparent_video_stands_on_what_is_behind_it_in_another_page(page: Path, tmp_path: Path) -> None:
    rendered(page, tmp_path / "video.webm", alpha=True)
    viewer = tmp_path / "viewer.html"
    viewer.write_text(
        '<style>body{margin:0;background:#0f0}video{display:block}</style><video autoplay src="video.webm">'
    )
    size = {"width": 96, "height": 64, "fps": FILM, "frames": FRAMES}
    parts = rendered(viewer, tmp_path / "seen-%d.png", **size)
    whole = helios.render_sync(viewer, tmp_path / "seen.mp4", workers=1, **size)  # type: ignore[arg-type]
    assert parts.hashes == whole.hashes
    for number in range(FRAMES):
        (pixels,) = decoded(tmp_path / f"seen-{number}.png")
        assert_colours(pixels, within=8)
        assert pixels[36:38, :, :3].reshape(-1, 3) == pytest.approx(np.tile([0, 255, 0], (192, 1)), abs=3)
        assert square(pixels, number)[:, :3] == pytest.approx(np.tile([0, 127, 127], (64, 1)), abs=8)


def test_transparent_frames_are_the_same_in_one_chunk(page: Path, tmp_path: Path) -> None:
    parts = rendered(page, tmp_path / "parts.webm", alpha=True)
    whole = helios.render_sync(page, tmp_path / "whole.webm", alpha=True, workers=1, chunk_frames=FRAMES, fresh=True)
    assert parts.hashes == whole.hashes
    opaque = helios.render_sync(page, tmp_path / "opaque.webm", workers=1)
    assert set(opaque.hashes).isdisjoint(whole.hashes)


def test_a_gif_has_every_frame_in_good_colours(page: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.gif"
    rendered(page, output)
    frames = decoded(output)
    assert len(frames) == FRAMES
    for number, pixels in enumerate(frames):
        assert_colours(pixels, within=6)
        assert square(pixels, number)[:, :3] == pytest.approx(np.tile([127, 127, 255], (64, 1)), abs=8)
        assert pixels[36:38, :, :3].min() >= 250
    times = gif_frame_ends(output.read_bytes())
    assert [round(100 * (k + 1) / FILM) for k in range(FRAMES)] == [round(100 * time) for time in times]


def test_a_gif_can_be_transparent(page: Path, tmp_path: Path) -> None:
    rendered(page, tmp_path / "a.gif", alpha=True)
    for number, pixels in enumerate(decoded(tmp_path / "a.gif")):
        assert pixels[36:38, :, 3].max() == 0
        assert pixels[:30, :, 3].min() == 255
        assert pixels[42:54, : 4 * number, 3].max(initial=0) == 0, f"frame {number}: nothing is left of the one before"


def test_an_animated_webp_has_every_frame(page: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.webp"
    rendered(page, output, alpha=True)
    data = output.read_bytes()
    assert data[:4] == b"RIFF"
    assert data[8:16] == b"WEBPVP8X"
    assert data[20] & 0x12 == 0x12, "it moves and is transparent"
    times = webp_frame_ends(data)
    assert [float(time) for time in times] == pytest.approx([(k + 1) / float(FILM) for k in range(FRAMES)], abs=0.002)
    viewer = tmp_path / "viewer.html"
    viewer.write_text('<style>body{margin:0;background:#0f0}img{display:block}</style><img src="a.webp">')
    helios.render_sync(viewer, tmp_path / "seen-%d.png", width=96, height=64, fps=FILM, frames=FRAMES)
    for number in range(FRAMES):
        (pixels,) = decoded(tmp_path / f"seen-{number}.png")
        assert_colours(pixels, within=6)
        assert pixels[36:38, :, :3].reshape(-1, 3) == pytest.approx(np.tile([0, 255, 0], (192, 1)), abs=6)


def test_images_have_a_file_for_each_frame_by_its_number(page: Path, tmp_path: Path) -> None:
    video = rendered(page, tmp_path / "all" / "%03d.jpg", frame_range="3:9")
    assert video.frames == 6
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == [f"{k:03}.jpg" for k in range(3, 9)]
    for number in range(3, 9):
        (pixels,) = decoded(tmp_path / "all" / f"{number:03}.jpg")
        assert_colours(pixels, within=3)
        assert square(pixels, number)[:, 2].min() > 240
    assert [path.name for path in tmp_path.iterdir()] == ["all"], "nothing else is left"


def test_images_go_into_a_folder_that_is_there(page: Path, tmp_path: Path) -> None:
    (tmp_path / "000.png").write_text("of before")
    (tmp_path / "notes.txt").write_text("mine")
    video = rendered(page, tmp_path / "%03d.png")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"notes.txt", *(f"{k:03}.png" for k in range(FRAMES))}
    again = helios.render_sync(page, tmp_path / "again.mp4", workers=1)
    assert again.hashes == video.hashes


def test_a_still_is_a_png_or_a_jpeg(page: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "helios", "still", str(page), "--frame", "3", "-o"]
    subprocess.run([*command, str(tmp_path / "a.jpg")], check=True)
    (pixels,) = decoded(tmp_path / "a.jpg")
    assert_colours(pixels, within=3)
    subprocess.run([*command, str(tmp_path / "a.png"), "--alpha"], check=True)
    (pixels,) = decoded(tmp_path / "a.png")
    assert_colours(pixels, within=0)
    assert pixels[36:38, :, 3].max() == 0
    for options, message in ((["b.tiff"], "b.tiff: a still is"), (["b.jpg", "--alpha"], "only a .png")):
        finished = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (finished.returncode, len(finished.stderr.splitlines())) == (2, 1)
        assert message in finished.stderr


def test_a_preview_is_half_as_large_and_has_every_frame(page: Path, tmp_path: Path) -> None:
    video = rendered(page, tmp_path / "a.mp4", preview=True)
    frames = decoded(tmp_path / "a.mp4")
    assert [pixels.shape for pixels in frames] == [(32, 48, 4)] * FRAMES
    assert frames[0][4:12, 2:6, 0].mean() > 245, "the first field is red"
    assert frame_times(tmp_path / "a.mp4") == [k / FILM for k in range(FRAMES)]
    assert video.hashes == rendered(page, tmp_path / "b.mp4").hashes, "what is drawn is the same"


def test_h265_is_what_quicktime_plays(page: Path, tmp_path: Path) -> None:
    rendered(page, tmp_path / "a.mp4", codec="h265")
    assert b"hvc1" in (tmp_path / "a.mp4").read_bytes()


def test_only_the_last_folder_of_images_is_made(page: Path, tmp_path: Path) -> None:
    with pytest.raises(helios.OutputError, match="there is no folder"):
        rendered(page, tmp_path / "none" / "deeper" / "%d.png")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "a.webm", "--codec", "h264"], ".webm files can't hold h264: use vp9, av1"),
        (["-o", "a.mp4", "--codec", "prores"], ".mp4 files can't hold prores"),
        (["-o", "a.ts", "--codec", "libaom-av1"], ".ts files can't hold libaom-av1"),
        (["-o", "a.mp4", "--alpha"], ".mp4 files hold no transparency: use .mov"),
        (["-o", "a-%d.jpg", "--alpha"], ".jpg files hold no transparency"),
        (
            ["-o", "a.webm", "--alpha", "--codec", "av1"],
            "av1 does not support transparency in .webm files: use --codec vp9",
        ),
        (["-o", "a.mov", "--alpha", "--pixel-format", "yuv422p10le"], "yuv422p10le has no transparency"),
        (["-o", "a.gif", "--codec", "h264"], ".gif files have one codec only"),
        (["-o", "a.gif", "--fps", "60"], ".gif output needs --fps 50 or less, not 60"),
        (["-o", "a.gif", "--audio", "a.wav"], ".gif files can't hold audio"),
        (["-o", "a.png"], "helios still renders one; for one image a frame, use a-%05d.png"),
        (["-o", "a.xyz"], "a.xyz: the name must end in .mp4"),
        (["-o", "a.mp4", "--format", "gif"], "a.mp4 conflicts with --format gif: drop one of them"),
        (["--format", "tiff"], "the format 'tiff' is unknown"),
        (["-o", "a.webm", "--alpha", "--width", "95"], "yuva420p needs an even width, not 95: change it"),
        (["-o", "a.mp4", "--encoder", "browser", "--preview"], "the browser can't encode previews"),
    ],
)
def test_what_can_not_be_made_is_said_before_anything_is_drawn(
    options: list[str], message: str, page: Path, tmp_path: Path
) -> None:
    with av.open(str(tmp_path / "a.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000)
        sound = av.AudioFrame.from_ndarray(np.ones((1, 480), np.int16), "s16", "mono")
        sound.sample_rate = 48_000
        container.mux(stream.encode(sound))  # type: ignore[arg-type]
    command = [sys.executable, "-m", "helios", "render", str(page), *options]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 2, finished.stderr
    assert message in finished.stderr
    assert len(finished.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_a_format_names_what_has_no_ending(tmp_path: Path) -> None:
    assert named(None, None) == Path("out.mp4")
    assert named(Path("a/video"), "webm") == Path("a/video.webm")
    assert named(Path("v1.2"), "gif") == Path("v1.2.gif")
    assert named(None, "png") == Path("out/%05d.png")
    assert named(Path("a-%d.jpeg"), "jpg") == Path("a-%d.jpeg")
    with pytest.raises(UsageError, match=r"a\.gif conflicts with --format webp"):
        named(Path("a.gif"), "webp")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_has_an_encoder_for_what_it_holds(name: str) -> None:
    known = FORMATS[name]
    pattern = f"a-%d.{name}" if known.kind == "images" else f"a.{name}"
    assert parse_format(Path(pattern)) is known
    assert known.encoder(None)
    if known.kind == "video":
        assert len({known.encoder(codec) for codec in known.codecs}) == len(known.codecs)


def test_numbers_have_one_place(tmp_path: Path) -> None:
    assert image_name("frame-%04d.png", 7) == "frame-0007.png"
    for first, second in pairwise(image_name("%d.png", k) for k in range(3)):
        assert first != second
    with pytest.raises(UsageError):
        parse_format(Path("%d-%d.png"))
