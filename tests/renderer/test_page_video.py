"""Videos in a page: each frame shows the very frame of its source, and nothing is waited for in real time."""

import asyncio
import http.client
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from helios.composition import Composition, Declared, Source
from helios.renderer.browser.page_video import PATH, PageVideo, _Reader
from helios.renderer.browser.server import serve
from helios.renderer.draw import draw_chunk
from helios.renderer.messages import CaptureMethod, ChunkReport, ChunkSpec, Encoding, Motion, ProbeSpec
from helios.renderer.probe import probe
from support.clips import number_at, write_video
from support.videos import frame_pixels, image_pixels

SIZE = (320, 180)
LOSSLESS = Encoding(preset="ultrafast", crf=0, pixel_format="yuv444p")
COLUMNS, ROWS = 5, 5
HEAD = """<!doctype html><meta charset=utf-8><style>body { margin: 0; background: #fff }
video, canvas { position: absolute; width: 64px; height: 32px } video { background: #f00 }</style>"""
Shown = Callable[[int, Fraction], int | None]
"""The number that is to be seen in a frame of the video, at a rate."""


def at(rate: Fraction | int, last: int, time: Fraction | int) -> int:
    """The frame of a source of ``rate`` that is shown at ``time``."""
    return max(0, min(int(time * rate), last))


class Cells:
    """Elements on a page, side by side, with what each must show."""

    def __init__(self, folder: Path) -> None:
        self.page = folder / "page.html"
        self._html = HEAD
        self._shown: list[tuple[Shown, tuple[int, int, int]]] = []

    def add(self, html: str, shown: Shown, dark: tuple[int, int, int] = (0, 0, 0)) -> None:
        """``html`` has STYLE where its place goes."""
        x, y = self._place(len(self._shown))
        self._html += html.replace("STYLE", f"style='left:{x}px;top:{y}px'") + "\n"
        self._shown.append((shown, dark))

    def write(self) -> Path:
        self.page.write_text(self._html, "utf-8")
        return self.page

    @staticmethod
    def _place(index: int) -> tuple[int, int]:
        return index % COLUMNS * 64, index // COLUMNS * 36

    def assert_shown(self, video: Path, frames: range, fps: Fraction) -> None:
        for index, frame in enumerate(frames):
            pixels = frame_pixels(video, index)
            seen = [number_at(pixels, *self._place(cell), dark) for cell, (_, dark) in enumerate(self._shown)]
            assert seen == [shown(frame, fps) for shown, _ in self._shown], f"frame {frame}"


def draw(
    page: Path, output: Path, frames: range, method: CaptureMethod, motion: Motion, fps: Fraction = Fraction(30)
) -> ChunkReport:
    composition = Composition(source=Source.parse(page), width=SIZE[0], height=SIZE[1], fps=fps, frames=frames.stop)
    spec = ChunkSpec(
        composition=composition,
        start=frames.start,
        stop=frames.stop,
        encoding=LOSSLESS,
        capture=method,
        motion=motion,
    )
    workspace = Path(tempfile.mkdtemp(dir=output.parent))
    return asyncio.run(draw_chunk(spec, output, workspace, lambda done, total: None))


def assert_same_everywhere(cells: Cells, folder: Path, frames: int, motion: Motion, fps: Fraction) -> None:
    """The right numbers, drawn fast and faithfully, from the beginning and from in between."""
    page, video = cells.write(), folder / "video.mp4"
    fast = draw(page, video, range(frames), "stage", motion, fps)
    assert fast.warnings == ()
    cells.assert_shown(video, range(frames), fps)
    faithful = draw(page, video, range(frames), "begin-frame", motion, fps)
    assert faithful.hashes == fast.hashes
    cells.assert_shown(video, range(frames), fps)
    for start in (1, frames // 2 + 1):
        assert draw(page, video, range(start, frames), "stage", motion, fps).hashes == fast.hashes[start:]
    assert not fast.uses_external_resources


VARIED = [0, 1, 2, 30, 31, 45, 46, 47, 60, 90]
"""When frames of a video with a rate that varies begin, in 1/90 s."""


def sources(folder: Path) -> None:
    long = {"bf": "3", "g": "250", "b-adapt": "0"}
    write_video(folder / "24.mp4", 60, 24, options=long)
    write_video(folder / "30.mp4", 90, 30, options=long)
    write_video(folder / "60.mp4", 120, 60, options=long)
    write_video(folder / "ntsc.mov", 60, Fraction(30000, 1001), codec="mpeg4", pixel_format="yuv420p")
    write_video(folder / "short.mp4", 10, 30, options=long)
    write_video(folder / "varied.mp4", len(VARIED), 90, ticks=VARIED, options={"bf": "2"})
    write_video(
        folder / "alpha.webm",
        60,
        30,
        codec="libvpx-vp9",
        pixel_format="yuva420p",
        options={"auto-alt-ref": "0", "crf": "4"},
    )


@pytest.mark.parametrize("fps", [Fraction(30), Fraction(24000, 1001)])
def test_declared_videos_show_their_very_frames_at_every_rate(fps: Fraction, tmp_path: Path) -> None:
    sources(tmp_path)
    cells = Cells(tmp_path)

    def playing(name: str, rate: Fraction | int, last: int) -> None:
        cells.add(f"<video src={name} autoplay muted STYLE></video>", lambda k, fps: at(rate, last, k / fps))

    playing("24.mp4", 24, 59)
    playing("30.mp4", 30, 89)
    playing("60.mp4", 60, 119)
    playing("ntsc.mov", Fraction(30000, 1001), 59)
    playing("short.mp4", 30, 9)  # which ends, and stays at its last frame
    cells.add("<video src=short.mp4 autoplay loop STYLE></video>", lambda k, fps: int(k / fps * 30) % 10)
    cells.add(
        "<video src=varied.mp4 autoplay STYLE></video>",
        lambda k, fps: max(n for n, tick in enumerate(VARIED) if Fraction(tick, 90) <= k / fps),
    )
    cells.add(
        "<style>#clear { background: #686 }</style><video id=clear autoplay STYLE><source src=alpha.webm></video>",
        lambda k, fps: at(30, 59, k / fps),
        (0x66, 0x88, 0x66),
    )
    cells.add("<video src=30.mp4 STYLE></video>", lambda k, fps: 0)
    cells.add("<video src=30.mp4 data-start=0.2 STYLE></video>", lambda k, fps: at(30, 89, k / fps - Fraction(1, 5)))
    cells.add(
        "<video src=30.mp4 data-start=0.1 data-media-start=1 data-duration=0.3 STYLE></video>",
        lambda k, fps: at(30, 89, 1 + min(max(0, k / fps - Fraction(1, 10)), Fraction(3, 10))),
    )
    cells.add(
        "<video id=quick src=30.mp4 autoplay STYLE></video><script>quick.playbackRate = 2</script>",
        lambda k, fps: at(30, 89, 2 * k / fps),
    )
    assert_same_everywhere(cells, tmp_path, 20, "jump", fps)


def test_scripts_that_seek_see_and_draw_the_very_frame(tmp_path: Path) -> None:
    sources(tmp_path)
    cells = Cells(tmp_path)
    cells.add("<video id=sought src=24.mp4 STYLE></video>", lambda k, fps: at(24, 59, 2 * k / fps))
    cells.add("<canvas id=drawn width=64 height=32 STYLE></canvas>", lambda k, fps: at(24, 59, 2 * k / fps))
    cells.add("<video id=played src=30.mp4 autoplay STYLE></video>", lambda k, fps: at(30, 89, k / fps))
    cells.add("<canvas id=copy width=64 height=32 STYLE></canvas>", lambda k, fps: at(30, 89, k / fps))
    cells.add("<canvas id=gl width=64 height=32 STYLE></canvas>", lambda k, fps: at(30, 89, k / fps))
    cells.add(
        """<canvas id=apart width=64 height=32 STYLE></canvas><script>
        const hidden = document.createElement("video");
        hidden.src = "60.mp4";
        const gl2 = gl.getContext("webgl2", { preserveDrawingBuffer: true, antialias: false });
        const texture = gl2.createTexture();
        gl2.bindFramebuffer(gl2.READ_FRAMEBUFFER, gl2.createFramebuffer());
        gl2.bindTexture(gl2.TEXTURE_2D, texture);
        helios.seek = async (s) => {
          sought.currentTime = hidden.currentTime = 2 * s;
          await Promise.all([sought, hidden].map((video) => new Promise((done) => (video.onseeked = done))));
          drawn.getContext("2d").drawImage(sought, 0, 0, 64, 32);
          copy.getContext("2d").drawImage(played, 0, 0);
          apart.getContext("2d").drawImage(await createImageBitmap(hidden), 0, 0);
          gl2.pixelStorei(gl2.UNPACK_FLIP_Y_WEBGL, true);
          gl2.texImage2D(gl2.TEXTURE_2D, 0, gl2.RGBA, gl2.RGBA, gl2.UNSIGNED_BYTE, played);
          gl2.framebufferTexture2D(gl2.READ_FRAMEBUFFER, gl2.COLOR_ATTACHMENT0, gl2.TEXTURE_2D, texture, 0);
          gl2.blitFramebuffer(0, 0, 64, 32, 0, 0, 64, 32, gl2.COLOR_BUFFER_BIT, gl2.NEAREST);
        };
        </script>""",
        lambda k, fps: at(60, 119, 2 * k / fps),
    )
    assert_same_everywhere(cells, tmp_path, 12, "seek", Fraction(30))


def test_scripts_that_play_and_pause_by_timers_are_followed(tmp_path: Path) -> None:
    sources(tmp_path)
    cells = Cells(tmp_path)
    cells.add(
        """<video id=late src=30.mp4 STYLE></video><script>
        setTimeout(() => late.play(), 100);
        setTimeout(() => { late.playbackRate = 2; }, 200);
        setTimeout(() => late.pause(), 300);
        setTimeout(() => { late.src = "24.mp4"; late.play(); }, 400);
        </script>""",
        lambda k, fps: (
            at(30, 89, min(max(Fraction(0), k / fps - Fraction(1, 10)), Fraction(1, 10))
               + 2 * min(max(Fraction(0), k / fps - Fraction(1, 5)), Fraction(1, 10)))
            if k < 12 else at(24, 59, k / fps - Fraction(2, 5))
        ),
    )  # fmt: skip
    cells.add(
        """<canvas id=seen width=64 height=32 STYLE></canvas><video id=told src=24.mp4 autoplay style="top:150px"></video><script>
        const look = () => { seen.getContext("2d").drawImage(told, 0, 0); told.requestVideoFrameCallback(look); };
        told.requestVideoFrameCallback(look);
        </script>""",
        lambda k, fps: at(24, 59, k / fps),
    )
    assert_same_everywhere(cells, tmp_path, 18, "step", Fraction(30))


def test_a_video_of_the_folder_is_drawn_fast_and_nothing_of_it_is_sought_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "a.mp4", 60, options={"bf": "3", "g": "250"})
    write_video(tmp_path / "intra.mov", 60, codec="prores_ks", pixel_format="yuv422p10le")
    page = tmp_path / "page.html"
    page.write_text(
        f"{HEAD}<video src=a.mp4 autoplay></video><video src=intra.mov autoplay style='left:64px'></video>"
        "<video src=a.mp4 data-start=0 data-media-start=1 style='left:128px'></video>"
    )
    sought: list[int] = []
    start_at = _Reader.start_at
    monkeypatch.setattr(_Reader, "start_at", lambda self, key: (sought.append(key), start_at(self, key)))
    declared = Declared(width=SIZE[0], height=SIZE[1], frames=20)
    spec = ProbeSpec(source=Source.parse(page), declared=declared, capture="auto")
    found = asyncio.run(probe(spec, Path(tempfile.mkdtemp(dir=tmp_path))))
    assert (found.capture, found.motion, found.warnings) == ("stage", "jump", ()), found.comparison
    sought.clear()
    draw(page, tmp_path / "video.mp4", range(20), "stage", "jump")
    assert len(sought) <= 5, "one for each video's look, and one more for each place where it is seen"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("words.mp4", b"no video at all", "words.mp4 is left to the browser to play: Invalid data found"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\nsecret.ts\n", "list.m3u8 is left to the browser to play: Invalid"),
        ("cut.mp4", None, "cut.mp4 is left to the browser to play: Invalid data found"),
    ],
)
def test_what_is_no_video_is_left_to_the_browser_and_said(
    name: str, data: bytes | None, message: str, tmp_path: Path
) -> None:
    whole = write_video(tmp_path / "whole.mp4", 10).read_bytes()
    (tmp_path / name).write_bytes(data or whole[: len(whole) // 2])
    page = tmp_path / "page.html"
    page.write_text(
        f"{HEAD}<video src={name} autoplay></video><video src=whole.mp4 autoplay style='left:64px'></video>"
    )
    report = draw(page, tmp_path / "video.mp4", range(3), "stage", "jump")
    assert [warning[: len(message)] for warning in report.warnings] == [message]
    for frame in range(3):
        assert number_at(frame_pixels(tmp_path / "video.mp4", frame), 64, 0) == frame


def asked(root: Path, path: str) -> tuple[int, bytes]:
    with serve(root, {}) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", path)
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found


PLAYLISTS = {
    "hls.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n",
    "concat.mp4": "ffconcat version 1.0\nfile {secret}\n",
    "dash.mp4": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static' mediaPresentationDuration"
    "='PT1S'><Period><AdaptationSet mimeType='video/mp4'><Representation id='a' bandwidth='1'><BaseURL>{secret}"
    "</BaseURL></Representation></AdaptationSet></Period></MPD>",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_video_leads_to_no_other_file(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    secret = write_video(tmp_path / "secret.ts", 30)
    inside = write_video(folder / "inside.ts", 30)
    for target in (secret, inside):
        (folder / kind).write_text(PLAYLISTS[kind].format(secret=target))
        assert asked(folder, f"{PATH}{kind}?frame=0")[0] == 415
    (folder / "link.ts").symlink_to(secret)
    for path in ("../secret.ts", "%2e%2e/secret.ts", "link.ts", "/etc/passwd", ""):
        assert asked(folder, f"{PATH}{path}")[0] == 404, path
    assert asked(folder, f"{PATH}inside.ts?frame=0")[0] == 200
    assert asked(folder, f"{PATH}inside.ts?frame=30")[0] == 422
    assert asked(folder, f"{PATH}inside.ts?frame=x")[0] == 422


def test_a_frame_that_is_broken_is_the_same_from_wherever_it_is_reached(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", 60, codec="mpeg2video", options={"g": "10", "bf": "0"})
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 4000] = bytes(4000)
    path.write_bytes(data)
    onwards = PageVideo(path)
    in_order = [onwards.image(k) for k in range(len(onwards.times))]
    assert [PageVideo(path).image(k) for k in range(len(in_order))] == in_order


def test_a_video_on_its_side_is_shown_upright_with_square_pixels(tmp_path: Path) -> None:
    path = tmp_path / "side.mp4"
    with av.open(str(write_video(tmp_path / "a.mp4", 4))) as source, av.open(str(path), "w") as turned:
        stream = turned.add_stream_from_template(source.streams.video[0])
        stream.sample_aspect_ratio = Fraction(2)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                turned.mux(packet)
    assert PageVideo(path).size == (128, 32)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"bf": "3", "g": "12"}),
        ("a.mp4", "libx264", {"bf": "3", "g": "12", "x264-params": "open-gop=1"}),
        ("a.mov", "libx264", {"bf": "3", "g": "3", "sc_threshold": "0"}),
        ("a.mp4", "libx265", {"x265-params": "log-level=none:keyint=12"}),
        ("a.mkv", "libx264", {"bf": "3", "g": "12"}),
        ("a.webm", "libvpx-vp9", {"g": "12"}),
        ("a.ts", "libx264", {"bf": "3", "g": "12"}),
        ("a.mpg", "mpeg2video", {"bf": "2", "g": "12"}),
        ("a.flv", "flv", {"g": "12"}),
        ("a.avi", "mpeg4", {"g": "12"}),
    ],
)
def test_every_frame_is_the_same_from_wherever_it_is_reached(
    name: str, codec: str, options: dict[str, str], tmp_path: Path
) -> None:
    path = write_video(tmp_path / name, 40, codec=codec, options=options)
    video = PageVideo(path)
    assert len(video.times) == 40
    assert [round(time * 30) for time in video.times] == list(range(40))
    assert video.duration == pytest.approx(40 / 30, abs=0.04)
    for number in (*range(40), *range(39, -1, -3)):
        (tmp_path / "seen.png").write_bytes(video.image(number))
        assert number_at(image_pixels(tmp_path / "seen.png"), 0, 0) == number
