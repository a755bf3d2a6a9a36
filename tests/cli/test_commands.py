"""What the commands print when all is well."""

import json
import os
import pty
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from support.videos import assert_exact, image_pixels

PAGE = """<!doctype html><meta name=helios content="width=320, height=180, fps=25, frames=10">
<style>@keyframes k{to{margin-left:200px}}p{animation:k 1s}</style><p id=p>Hello</p>"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text(PAGE)
    return tmp_path


def helios(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "helios", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def test_json_is_an_event_a_line(page: Path) -> None:
    done = helios("render", page, "-o", page / "a.mp4", "--json", "--chunk-frames", "5")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["render-planned", "render-finished"]
    assert (events[0]["fps"], events[0]["chunks"], events[-1]["frames"]) == ("25", 2, 10)
    assert done.stderr == ""


def test_quiet_says_nothing(page: Path) -> None:
    done = helios("render", page, "-o", page / "a.mp4", "--quiet", "--range", "2:4")
    assert (done.stdout, done.stderr) == ("", "")
    assert_exact(page / "a.mp4", 2, Fraction(25))


def test_elsewhere_than_on_a_terminal_there_is_one_line_at_the_end(page: Path) -> None:
    done = helios("render", page, "-o", page / "a.mp4")
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{page / 'a.mp4'}: 10 frames, 0.400 s, rendered in ")


def test_on_a_terminal_there_is_a_bar_and_a_line_for_each_worker(page: Path) -> None:
    main, other = pty.openpty()
    command = [sys.executable, "-m", "helios", "render", str(page), "-o", str(page / "a.mp4")]
    command += ["--chunk-frames", "5", "--workers", "2"]
    with subprocess.Popen(
        command, stdout=other, stderr=other, env={**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    ) as job:
        os.close(other)
        message = b""
        while True:
            try:
                message += os.read(main, 65536)
            except OSError:
                break
    os.close(main)
    assert job.returncode == 0
    for word in ("320x180 at 25 fps", "10/10", "worker 0", "worker 1", "frames/s", "rendered in"):
        assert word in message.decode(), word


def test_a_warning_names_what_is_missing(page: Path) -> None:
    (page / "index.html").write_text(PAGE + "<img src=missing.png>")
    done = helios("render", page, "-o", page / "a.mp4")
    assert "helios: warning: missing.png was answered with 404" in done.stderr


def test_a_still_and_a_stitch(page: Path) -> None:
    helios("still", page, "--frame", "5", "-o", page / "a.png")
    assert image_pixels(page / "a.png").shape == (180, 320, 3)
    for name, span in (("1.mp4", "0:5"), ("2.mp4", "5:10")):
        helios("render", page, "-o", page / name, "--range", span)
    helios("stitch", page / "1.mp4", page / "2.mp4", "-o", page / "both.mp4")
    assert_exact(page / "both.mp4", 10, Fraction(25))


def test_doctor_finds_this_machine_fine() -> None:
    findings = [json.loads(line) for line in helios("doctor", "--json").stdout.splitlines()]
    assert {finding["name"] for finding in findings} == {"cores", "fonts", "shared memory", "ffmpeg", "browser"}
    assert all(finding["fine"] for finding in findings)


def test_doctor_says_how_to_mend_what_is_missing() -> None:
    command = [sys.executable, "-m", "helios", "doctor"]
    environment = {**os.environ, "HELIOS_BROWSER": "/nowhere/browser", "HELIOS_FFMPEG": "/nowhere/ffmpeg"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 1
    assert done.stdout.count("MEND") == 2
    assert "apt-get install chromium-headless-shell" in done.stdout


def test_version() -> None:
    import helios as package

    assert helios("--version").stdout == f"helios {package.__version__}\n"
