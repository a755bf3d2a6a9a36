"""Clips by their addresses: the part that a fragment names, and what can't be shown at all."""

import base64
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from test_clock import at_frame
from test_page_video import HEAD, Cells, assert_same_everywhere, draw

import helios
from support.clips import number_at, write_video
from support.videos import frame_pixels

HALF, THIRD = Fraction(1, 2), Fraction(1, 3)


def playing(start: Fraction | int = 0, end: Fraction | int = 2) -> Any:
    """The frame of a source of two seconds, 30 a second, that is shown while it plays from ``start`` to ``end``."""
    return lambda k, fps: min(int(min(start + k / fps, end) * 30), 59)


PARTS: dict[str, Any] = {
    "#t=0.5": playing(HALF),
    "#t=0.5,0.9": playing(HALF, Fraction(9, 10)),
    "#t=,0.3": playing(0, Fraction(3, 10)),
    "#t=npt:0.5,00:01": playing(HALF, 1),
    "#t=00:00:01.5": playing(Fraction(3, 2)),
    "#xywh=0,0,9,9&t=1": playing(1),
    "#%74=npt%3A0.5": playing(HALF),
    "?v=2#t=1": playing(1),
    "?v=2": playing(),
    "#t=1&t=0.5": playing(HALF),
    "#t=9": lambda k, fps: 59,
    "#t=1,0.5": playing(),
    "#t=0:01": playing(),
    "#t=smpte:0:0:1": playing(),
    "#part": playing(),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_video(tmp_path / "a video%23.mp4", 60, options={"bf": "2", "g": "250"})
    return tmp_path


CLIP = "a%20video%2523.mp4"


def test_the_part_that_an_address_names_is_played_as_a_browser_does(folder: Path) -> None:
    cells = Cells(folder)
    for part, shown in PARTS.items():
        cells.add(f"<video src='{CLIP}{part}' autoplay muted STYLE></video>", shown)
    cells.add(f"<video autoplay muted STYLE><source src='{CLIP}#t=0.5,0.9'></video>", playing(HALF, Fraction(9, 10)))
    cells.add(f"<video src='{CLIP}#t=0.5' STYLE></video>", lambda k, fps: 15)
    cells.add(f"<video src='{CLIP}#t=0.5' poster=none.png STYLE></video>", lambda k, fps: 15)
    cells.add(f"<video src='{CLIP}#t=1.5,1.8' autoplay loop STYLE></video>", playing(Fraction(3, 2), Fraction(9, 5)))
    cells.add(
        f"<video src='{CLIP}#t=1.8,2' autoplay loop STYLE></video>",
        lambda k, fps: int((Fraction(9, 5) + k / fps) % 2 * 30),
    )
    cells.add(
        f"<video src='{CLIP}#t=0.5' data-start=0.2 STYLE></video>",
        lambda k, fps: int((HALF + max(0, k / fps - Fraction(1, 5))) * 30),
    )
    (folder / "none.png").write_bytes(b"")
    page, video = cells.write(), folder / "video.mp4"
    for method in ("stage", "begin-frame"):
        draw(page, video, range(20), method, "jump")
        cells.assert_shown(video, range(20), Fraction(30))


def test_scripts_that_choose_a_part_see_the_address_that_they_chose(folder: Path) -> None:
    cells = Cells(folder)
    cells.add(
        f"<video id=a muted STYLE></video><script>a.src = '{CLIP}#t=0.5,0.7'; a.play()</script>",
        playing(HALF, Fraction(7, 10)),
    )
    cells.add(
        f"<video id=b muted autoplay STYLE></video><script>b.setAttribute('src', '{CLIP}#t=1')</script>", playing(1)
    )
    cells.add(
        f"""<video id=c muted STYLE></video><script>
        setTimeout(() => {{ c.src = "{CLIP}#t=1"; c.play() }}, 200);
        setTimeout(() => {{ c.src = "{CLIP}"; c.play() }}, 400);
        </script>""",
        lambda k, fps: (
            None
            if k < 6
            else int((1 + k / fps - Fraction(1, 5)) * 30)
            if k < 12
            else int((k / fps - Fraction(2, 5)) * 30)
        ),
    )
    cells.add(
        f"<video id=d src='{CLIP}#t=0.5,0.7' autoplay STYLE></video><script>d.onpause = () => {{ d.onpause = null; d.play() }}</script>",
        playing(HALF),
    )
    cells.add(
        f"<video id=e src='{CLIP}#t=1' STYLE></video><script>e.currentTime = 0.2; e.play()</script>",
        playing(Fraction(1, 5)),
    )
    assert_same_everywhere(cells, folder, 18, "step", Fraction(30))
    html = f"<video id=v src='{CLIP}#t=0.5,0.7' autoplay></video><script>addEventListener('pause', () => window.paused_ = v.currentTime, true)</script>"
    found = at_frame(folder, html, 12, "[v.src, v.currentSrc, v.currentTime, v.paused, window.paused_]")
    address = f"http://helios.localhost/{CLIP}#t=0.5,0.7"
    assert found == [address, address, pytest.approx(0.7), True, pytest.approx(0.7)]


def test_a_part_of_what_a_script_made_is_played_too(folder: Path) -> None:
    (folder / "vp8.webm").write_bytes(
        write_video(folder / "b.webm", 60, codec="libvpx", options={"crf": "4", "b": "2M"}).read_bytes()
    )
    cells = Cells(folder)
    cells.add(
        """<video id=v muted autoplay STYLE></video><script>
        fetch("vp8.webm").then((r) => r.blob()).then((blob) => { v.src = URL.createObjectURL(blob) + "#t=0.5,0.7" })
        </script>""",
        playing(HALF, Fraction(7, 10)),
    )
    page, video = cells.write(), folder / "video.mp4"
    draw(page, video, range(10), "begin-frame", "step")
    cells.assert_shown(video, range(10), Fraction(30))


def broken(folder: Path) -> dict[str, bytes]:
    """Files that no browser can play, or only a part of."""
    data = bytearray(write_video(folder / "whole.mp4", 30, options={"g": "250"}).read_bytes())
    start = data.index(b"mdat") + 4
    frames_lost = bytes(data[:start]) + bytes(data.index(b"moov") - 4 - start) + bytes(data[data.index(b"moov") - 4 :])
    webm = write_video(folder / "whole.webm", 30, codec="libvpx", options={"crf": "4", "b": "2M"}).read_bytes()
    return {
        "zero.mp4": frames_lost,
        "nothing.mp4": b"",
        "words.mp4": b"no video at all",
        "cut.mp4": bytes(data[: len(data) // 2]),
        "cut.webm": webm[:300],
        "old.avi": write_video(folder / "old.avi", 5, codec="ffv1", pixel_format="yuv444p").read_bytes(),
    }


WAYS = {
    "src": "<video src=NAME autoplay muted></video>",
    "paused": "<video src=NAME></video>",
    "source": "<video autoplay muted><source src=NAME></video>",
    "two sources": "<video autoplay muted><source src=NAME type=video/nonsense><source src=NAME></video>",
    "data": "<video src='data:video/mp4;base64,DATA' autoplay muted></video>",
    "blob": "<video id=v autoplay muted></video><script>fetch('NAME').then((r) => r.blob()).then((b) => { v.src = URL.createObjectURL(b) })</script>",
    "played late": "<video id=v><source src=NAME></video><script>setTimeout(() => v.play(), 50); setTimeout(() => { v.currentTime = 0.3 }, 90)</script>",
    "apart": "<script>const v = document.createElement('video'); v.src = 'NAME'; v.play(); helios.seek = (s) => { v.currentTime = s }</script>",
    "audio": "<audio id=v src=NAME autoplay muted></audio><script>setTimeout(() => v.play(), 50)</script>",
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["zero.mp4", "nothing.mp4", "words.mp4", "cut.mp4", "cut.webm", "old.avi"])
def test_what_can_not_be_decoded_keeps_no_frame_from_being_drawn(name: str, way: str, tmp_path: Path) -> None:
    data = broken(tmp_path)[name]
    (tmp_path / name).write_bytes(data)
    html = WAYS[way].replace("NAME", name).replace("DATA", base64.b64encode(data).decode())
    (tmp_path / "page.html").write_text(
        f"{HEAD}<style>video {{ top: 100px }}</style><body>{html}<video src=whole.mp4 autoplay style='top:0'></video>"
    )
    motion = "seek" if way == "apart" else "step"
    for method in ("stage", "begin-frame"):
        report = draw(tmp_path / "page.html", tmp_path / "video.mp4", range(5), method, motion)
        for frame in range(5):
            assert number_at(frame_pixels(tmp_path / "video.mp4", frame), 0, 0) == frame
        named = {"data": "data:video/mp4", "blob": "a clip of a script's (blob:)"}.get(way, name)
        decodable = name == "old.avi" and way not in ("data", "blob")
        if way != "audio":
            assert [named in warning for warning in report.warnings] == [True] * (not decodable), report.warnings


def test_a_clip_without_a_frame_takes_its_room_and_its_error_is_seen_once(tmp_path: Path) -> None:
    (tmp_path / "zero.mp4").write_bytes(broken(tmp_path)["zero.mp4"])
    html = """<style>video { outline: 1px solid }</style><video id=v src=zero.mp4></video><script>
    window.errors = 0; v.addEventListener("error", () => errors++); addEventListener("error", () => errors++, true);
    </script>"""
    found = at_frame(
        tmp_path, html, 2, "[errors, v.error.code, v.offsetWidth, v.offsetHeight, new URL(v.currentSrc).pathname]"
    )
    assert found == [2, 3, 64, 32, "/zero.mp4"]


def test_a_script_may_choose_another_clip_where_one_can_not_be_decoded(tmp_path: Path) -> None:
    (tmp_path / "zero.mp4").write_bytes(broken(tmp_path)["zero.mp4"])
    (tmp_path / "page.html").write_text(
        f"""{HEAD}<video id=v src=zero.mp4 autoplay></video><script>v.onerror = () => {{ v.src = "whole.mp4" }}</script>"""
    )
    draw(tmp_path / "page.html", tmp_path / "video.mp4", range(4), "begin-frame", "step")
    assert [number_at(frame_pixels(tmp_path / "video.mp4", frame), 0, 0) for frame in range(4)] == [0, 1, 2, 3]


def test_a_video_with_a_broken_clip_is_rendered_with_one_warning(tmp_path: Path) -> None:
    (tmp_path / "zero.mp4").write_bytes(broken(tmp_path)["zero.mp4"])
    (tmp_path / "page.html").write_text(f"{HEAD}<video src=zero.mp4 autoplay></video>")
    warned: list[str] = []
    helios.render_sync(
        tmp_path / "page.html", tmp_path / "out.mp4", width=320, height=180, frames=8, chunk_frames=4, fresh=True,
        on_event=lambda event: warned.append(event.message) if event.event == "warning-issued" else None,
    )  # fmt: skip
    assert [warning.partition(" is ")[0] for warning in warned] == ["zero.mp4"]
