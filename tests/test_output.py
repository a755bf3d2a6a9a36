"""An output replaces a file and nothing else, wherever it comes from; links stay, and a pipe gets what is written."""

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from helios.batches.table import write_table
from helios.errors import OutputError, UsageError
from helios.jobs import Journal
from helios.output import beside, check_output, place, write_whole
from helios.stitcher.hls import HlsStream
from support.commands import spec

PAGE = "<!doctype html><meta name=helios content='width=64, height=48, fps=25, frames=2'><p>words"


def device(path: Path) -> None:
    """A device like /dev/null, of the test's own."""
    if os.geteuid():
        pytest.skip("only root can make a device")
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))


def pipe(path: Path) -> None:
    os.mkfifo(path)


def socket_file(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


def link_to_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("the pipe"))
    path.symlink_to("the pipe")


def open_file(path: Path) -> None:
    path.symlink_to("/proc/self/fd/1")


SPECIAL = pytest.mark.parametrize("special", [device, pipe, socket_file, link_to_pipe, open_file])
Make = Callable[[Path], None]


def helios(folder: Path, *args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "helios", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder)


def kind(path: Path) -> tuple[int, int, str]:
    found = path.lstat()
    return found.st_mode, found.st_rdev, str(path.readlink()) if path.is_symlink() else ""


def refused(folder: Path, path: Path, *args: object) -> None:
    """A command refuses in one line, and nothing has changed in its folder."""
    before = kind(path), sorted(folder.iterdir())
    done = helios(folder, *args)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2, line
    assert line.startswith(f"helios: {path} is ")
    assert "name a file" in line
    assert (kind(path), sorted(folder.iterdir())) == before


@SPECIAL
def test_videos_images_and_stills_replace_no_device(special: Make, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE)
    video, still = tmp_path / "a.mp4", tmp_path / "a.png"
    special(video)
    refused(tmp_path, video, "render", "page.html", "-o", video)
    refused(tmp_path, video, "stitch", "page.html", "-o", video)
    video.rename(still)
    refused(tmp_path, still, "still", "page.html", "-o", still)


@SPECIAL
def test_videos_of_a_batch_replace_no_device(special: Make, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE)
    (tmp_path / "rows.csv").write_text("id\na\nb\n")
    special(tmp_path / "b.mp4")
    refused(tmp_path, tmp_path / "b.mp4", "batch", "page.html", "rows.csv", "-o", str(tmp_path / "{id}.mp4"))


@SPECIAL
def test_a_merge_replaces_no_device(special: Make, tmp_path: Path) -> None:
    output = tmp_path / "output"
    job = json.loads(spec(output, chunks=2, frames=2).model_dump_json())
    job["commands"]["merge"] = {"command": "cp", "args": ["000000.mp4", "all"], "output": "all"}
    (tmp_path / "job.json").write_text(json.dumps(job))
    special(output)
    refused(tmp_path, output, "job", "run", "job.json")


@SPECIAL
def test_one_chunk_alone_replaces_no_device(special: Make, tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(spec(tmp_path / "a.mp4", chunks=2, frames=2).model_dump_json())
    special(tmp_path / "chunk-000001.mp4")
    refused(tmp_path, tmp_path / "chunk-000001.mp4", "job", "run", "job.json", "--chunk", 1)


@SPECIAL
@pytest.mark.parametrize("name", ["index.m3u8", "init.mp4", "piece-00007.m4s"])
def test_a_stream_removes_no_device(special: Make, name: str, tmp_path: Path) -> None:
    special(tmp_path / name)
    before = kind(tmp_path / name)
    with pytest.raises(OutputError, match=f"{name} is not a file of a stream"):
        HlsStream(tmp_path, 25)
    assert kind(tmp_path / name) == before


@SPECIAL
def test_nothing_is_placed_on_a_device(special: Make, tmp_path: Path) -> None:
    """Also where it came to stand after everything was checked."""
    special(tmp_path / "output")
    before = kind(tmp_path / "output")
    (tmp_path / "made").write_text("made")
    with pytest.raises(UsageError, match="name a file"):
        place(tmp_path / "made", tmp_path / "output")
    assert kind(tmp_path / "output") == before
    assert (tmp_path / "made").read_text() == "made"


def read_from(path: Path, act: Callable[[], object]) -> bytes:
    """What comes out of a pipe while ``act`` writes to it."""
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(path.read_bytes()), daemon=True)
    reader.start()
    act()
    reader.join(60)
    return found[0]


@pytest.mark.parametrize("linked", [False, True])
def test_texts_go_through_a_pipe(linked: bool, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE)
    fifo = tmp_path / "results.csv"
    (link_to_pipe if linked else pipe)(fifo)
    before = kind(fifo)
    job = Journal().create(spec(tmp_path / "a.mp4"))
    assert read_from(fifo, lambda: helios(tmp_path, "job", "report", job, "-o", fifo)).startswith(b"<!doctype html>")
    emitted = read_from(fifo, lambda: helios(tmp_path, "render", "page.html", "--emit-job", fifo))
    assert json.loads(emitted)["output"] == str(tmp_path / "out.mp4")
    assert read_from(fifo, lambda: write_table([], fifo)).startswith(b"row,output")
    assert kind(fifo) == before


def test_a_report_goes_to_a_device_and_to_standard_output(tmp_path: Path) -> None:
    job = Journal().create(spec(tmp_path / "a.mp4"))
    stdout = tmp_path / "stdout"
    stdout.symlink_to("/proc/self/fd/1")  # what /dev/stdout is; but no test puts the machine's own at risk
    done = helios(tmp_path, "job", "report", job, "-o", stdout)
    assert done.stdout.startswith("<!doctype html>")
    assert done.stdout.endswith("\n")
    assert str(stdout) not in done.stdout
    with (tmp_path / "log").open("w") as log:
        log.write("before\n")
        log.flush()
        command = [sys.executable, "-m", "helios", "job", "report", job, "-o", str(stdout)]
        subprocess.run(command, check=True, stdout=log)
    assert (tmp_path / "log").read_text() == f"before\n{done.stdout}"
    null = tmp_path / "null"
    device(null)
    before = kind(null)
    assert helios(tmp_path, "job", "report", job, "-o", null).returncode == 0
    assert kind(null) == before


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_file_is_replaced(there: bool, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE)
    target = tmp_path / "elsewhere" / "video.mp4"
    target.parent.mkdir()
    if there:
        target.write_text("old")
    (tmp_path / "second").symlink_to("elsewhere/video.mp4")
    (tmp_path / "a.mp4").symlink_to("second")
    assert helios(tmp_path, "render", "page.html", "-o", "a.mp4").returncode == 0
    assert (tmp_path / "a.mp4").readlink() == Path("second")
    assert (tmp_path / "second").readlink() == Path("elsewhere/video.mp4")
    assert len(target.read_bytes()) > 100
    assert [path.name for path in target.parent.iterdir()] == ["video.mp4"]
    write_whole(tmp_path / "a.mp4", b"text")
    assert (target.read_bytes(), (tmp_path / "a.mp4").is_symlink()) == (b"text", True)


def test_links_in_a_circle_and_into_nowhere_are_said(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").symlink_to("b.mp4")
    (tmp_path / "b.mp4").symlink_to("a.mp4")
    with pytest.raises(OutputError, match="circle"):
        check_output(tmp_path / "a.mp4")
    (tmp_path / "c.mp4").symlink_to("nowhere/c.mp4")
    with pytest.raises(OutputError, match="no folder"):
        check_output(tmp_path / "c.mp4")


def test_an_output_on_another_disk_appears_whole(tmp_path: Path) -> None:
    disk = Path("/dev/shm")
    if not disk.is_dir() or disk.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other disk")
    (tmp_path / "made").write_bytes(b"made")
    with beside(disk / "output") as folder:
        place(tmp_path / "made", folder / "output")
        assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("output", b"made")]


@pytest.mark.parametrize("name", ["nope/50%.mp4", "nope/%d.mp4", "nope/100%.gif", "nope/%05d%.webm"])
def test_a_percent_sign_makes_no_name_of_images(name: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE)
    for args in (["render", "page.html"], ["stitch", "page.html"]):
        done = helios(tmp_path, *args, "-o", name)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert f"there is no folder {tmp_path / 'nope'}" in line


def test_a_percent_sign_is_a_sign_as_others(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE)
    assert helios(tmp_path, "render", "page.html", "-o", "50%.mp4").returncode == 0
    assert (tmp_path / "50%.mp4").is_file()
