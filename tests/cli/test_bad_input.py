"""Bad input gets one clear line, the right exit code, no traceback, and nothing is half-written."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MOVES = "<!doctype html><style>@keyframes k{to{margin-left:99px}}p{animation:k 1s}</style><p>a</p>"


def helios(*args: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "helios", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **(env or {})})


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "project" / "page.html"
    path.parent.mkdir()
    path.write_text(MOVES)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the output would go; after the test it must be as empty as before."""
    path = tmp_path / "output"
    path.mkdir()
    yield path
    assert list(path.iterdir()) == []


def assert_one_line(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("helios: ")
    for word in words:
        assert word in lines[0]
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], ["no length", "--duration"]),
        (["--frames", "0"], ["at least 1 frame"]),
        (["--duration", "0"], ["duration", "above 0"]),
        (["--duration", "nan"], ["duration"]),
        (["--frames", "9", "--fps", "0"], ["fps"]),
        (["--frames", "9", "--fps", "-5"], ["fps"]),
        (["--frames", "9", "--fps", "often"], ["often", "30000/1001"]),
        (["--frames", "9", "--width", "101"], ["yuv420p", "even width", "101"]),
        (["--frames", "9", "--height", "0"], ["height"]),
        (["--frames", "9", "--range", "5:12"], ["5:12", "0:9"]),
        (["--frames", "9", "--range", "5"], ["A:B"]),
        (["--frames", "9", "--workers", "0"], ["at least 1 worker"]),
        (["--frames", "9", "--workers", "many"], ["many"]),
        (["--frames", "9", "--chunk-frames", "0"], ["at least 1 frame"]),
        (["--frames", "9", "--codec", "h999"], ["h999", "h264"]),
        (["--frames", "9", "--codec", "aac"], ["aac", "no video"]),
        (["--frames", "9", "--pixel-format", "nonsense"], ["nonsense", "yuv420p"]),
        (["--frames", "9", "--codec", "libx264rgb", "--pixel-format", "rgb24"], ["rgb24", "yuv420p"]),
        (["--frames", "9", "--preset", "quick"], ["libx264", "quick"]),
        (["--frames", "9", "--capture", "bogus"], ["bogus", "auto", "fast", "faithful"]),
        (["--frames", "9", "--adapter", "moon"], ["moon", "local, aws, gcp"]),
        (["--frames", "9", "--function", "mine"], ["--adapter aws"]),
        (["--frames", "9", "--adapter", "aws", "--function", "a", "--store", "./here"], ["./here", "s3://"]),
        (["--frames", "9", "--stitch", "remote"], ["stitch", "remote"]),
        (["--frames", "9", "--props", "{bad"], ["--props", "JSON"]),
        (["--frames", "9", "--props", "@missing.json"], ["missing.json"]),
    ],
)
def test_usage_errors_end_with_2(options: list[str], words: list[str], page: Path, folder: Path) -> None:
    assert_one_line(helios("render", page, "-o", folder / "a.mp4", *options), 2, *words)


def test_an_unknown_container_is_told_before_anything_is_drawn(page: Path, folder: Path) -> None:
    assert_one_line(helios("render", page, "-o", folder / "a.doc", "--frames", "9"), 2, "a.doc", ".mp4")


@pytest.mark.parametrize("name", ["missing.html", "missing/", "ftp://x/y"])
def test_no_such_page(name: str, folder: Path) -> None:
    assert_one_line(helios("render", name, "-o", folder / "a.mp4", "--frames", "9"), 2, name)


def test_a_folder_without_an_index(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert_one_line(helios("render", tmp_path / "empty", "-o", folder / "a.mp4"), 2, "index.html")


def test_a_page_that_says_nonsense_of_itself(page: Path, folder: Path) -> None:
    page.write_text('<meta name=helios content="width=wide">' + MOVES)
    assert_one_line(helios("render", page, "-o", folder / "a.mp4"), 2, "width=wide")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("\nundefinedThing.go()", ["ReferenceError", "undefinedThing", "page.html:2"]),
        ("throw new Error('no data')", ["no data", "page.html:1"]),
        ("Promise.reject(new TypeError('late'))", ["late", "promise"]),
        ("let let = 3", ["SyntaxError", "page.html:1"]),
    ],
)
def test_a_page_whose_script_throws_while_loading(script: str, words: list[str], page: Path, folder: Path) -> None:
    page.write_text(f"<!doctype html><script>{script}</script>")
    assert_one_line(helios("render", page, "-o", folder / "a.mp4", "--frames", "9"), 1, *words)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("helios.hold('my data')", ["not ready", "my data"]),
        ("helios.hold()", ["not ready", "helios.hold()"]),
        ("fetch('slow')", []),
        ("while (true);", ["not ready"]),
        ("requestAnimationFrame(() => { while (true); })", ["script"]),
        ("requestAnimationFrame(() => helios.hold('later'))", ["later", "frame 0"]),
    ],
)
def test_a_page_that_never_becomes_ready(script: str, words: list[str], page: Path, folder: Path) -> None:
    page.write_text(f"<!doctype html><script>{script}</script>")
    done = helios("render", page, "-o", folder / "a.mp4", "--frames", "3", "--ready-timeout", "1.5")
    if script == "fetch('slow')":  # a missing file is an answer, if a bad one: the video is made, with a warning
        assert done.returncode == 0
        assert "slow was answered with 404" in done.stderr
        (folder / "a.mp4").unlink()
    else:
        assert_one_line(done, 1, *words)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://no-such-host.invalid/"])
def test_an_address_that_does_not_answer(url: str, folder: Path) -> None:
    assert_one_line(helios("render", url, "-o", folder / "a.mp4", "--frames", "9"), 1, url)


def test_the_output_folder_is_missing(page: Path, folder: Path) -> None:
    done = helios("render", page, "-o", folder / "none" / "a.mp4", "--frames", "9")
    assert_one_line(done, 1, "no folder", "none")


def test_the_output_is_a_folder(page: Path, folder: Path) -> None:
    assert_one_line(helios("render", page, "-o", folder, "--frames", "9"), 2, "output", ".mp4")


def test_the_output_folder_can_not_be_written_to(page: Path) -> None:
    assert_one_line(helios("render", page, "-o", "/proc/a.mp4", "--frames", "9"), 1, "/proc")


@pytest.mark.parametrize("name", ["HELIOS_BROWSER", "HELIOS_FFMPEG"])
def test_a_missing_tool_is_told_with_how_to_get_it(name: str, page: Path, folder: Path) -> None:
    done = helios("render", page, "-o", folder / "a.mp4", "--frames", "9", env={name: "/nowhere/tool"})
    assert_one_line(done, 1, name, "/nowhere/tool", "apt-get install")


def test_a_browser_that_is_none(page: Path, folder: Path, tmp_path: Path) -> None:
    tool = tmp_path / "browser"
    tool.write_text("#!/bin/sh\necho I am no browser >&2\nexit 3\n")
    tool.chmod(0o755)
    done = helios("render", page, "-o", folder / "a.mp4", "--frames", "9", env={"HELIOS_BROWSER": str(tool)})
    assert_one_line(done, 1, "does not start", "I am no browser")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk(page: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    page.write_text("<!doctype html><canvas id=c width=640 height=360></canvas><script>const x=c.getContext('2d');"
        "(function l(){const d=x.createImageData(640,360);for(let i=0;i<d.data.length;i++)d.data[i]=Math.random()*256;"
        "x.putImageData(d,0,0);requestAnimationFrame(l)})()</script>")  # fmt: skip
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=True)
    try:
        done = helios(
            "render", page, "-o", small / "a.mp4", "--frames", "30", "--width", "640", "--height", "360", "--crf", "1"
        )
        assert_one_line(done, 1, "disk is full")
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_errors_are_json_events_where_json_is_asked_for(folder: Path) -> None:
    done = helios("render", "missing.html", "-o", folder / "a.mp4", "--json")
    assert done.returncode == 2
    assert done.stdout == '{"event":"run-failed","code":"usage","message":"missing.html: no such page"}\n'


@pytest.mark.parametrize(
    "args", [["still", "missing.html"], ["stitch", "missing.mp4"], ["still", "{page}", "--frame", "-1"]]
)
def test_the_other_verbs_fail_as_clearly(args: list[str], page: Path, folder: Path) -> None:
    done = helios(*[arg.format(page=page) for arg in args], "-o", folder / ("a.png" if args[0] == "still" else "a.mp4"))
    assert_one_line(done, 1 if args[0] == "stitch" else 2, "frame -1" if "--frame" in args else "missing")


@pytest.mark.parametrize(
    ("verb", "options", "words"),
    [
        ("render", ["--props", '{"name": "\\ud800"}'], ["props", "'\\ud800'"]),
        ("render", ["--props", '{"\\udfff": [{"a": 1}]}'], ["props"]),
        ("render", ["--props", '{"a": [{"b": "\\ud83d!"}]}'], ["props"]),
        ("render", ["--metadata", b"title=\xff"], ["metadata"]),
        ("render", ["--hls", b"stream\xff"], ["hls"]),
        ("render", ["--audio", b"music\xff.mp3"], ["audio"]),
        ("render", ["--webhook", b"http://a/\xff"], ["webhook"]),
        ("render", ["--store", b"\xff"], ["store"]),
        ("still", ["--props", '{"name": "\\ud800"}'], ["props"]),
        ("estimate", ["--props", '{"name": "\\ud800"}'], ["props"]),
    ],
)
def test_a_text_that_is_no_unicode_is_refused(
    verb: str, options: list[str | bytes], words: list[str], page: Path, folder: Path
) -> None:
    where = [] if verb == "estimate" else ["-o", str(folder / ("a.png" if verb == "still" else "a.mp4"))]
    command: list[str | bytes] = [sys.executable, "-m", "helios", verb, str(page), *where, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert_one_line(done, 2, "is not valid Unicode", *words)


@pytest.mark.parametrize("name", ["rows.jsonl", "job.json"])
def test_a_file_with_a_text_that_is_no_unicode_is_refused(name: str, page: Path, folder: Path) -> None:
    path = page.with_name(name)
    if name == "rows.jsonl":
        path.write_text('{"id": "a"}\n{"id": "b", "name": "\\ud800"}\n')
        assert_one_line(helios("batch", page, path, "-o", folder / "{id}.mp4"), 2, "row 2", "not valid Unicode")
    else:
        path.write_text(
            '{"version": 1, "output": "\\ud800.mp4", "commands": {"chunks": [{"command": "a", "output": "b"}]}}'
        )
        assert_one_line(helios("job", "run", path), 2, "job.json is not a job spec")
