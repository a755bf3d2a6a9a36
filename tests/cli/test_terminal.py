"""On a terminal, every command ends with lines of its own: the bars are gone, and no message is glued to them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from helios.jobs import Journal
from support.commands import spec
from support.terminal import Screen, on_terminal

PAGE = """<!doctype html><meta name=helios content="width=320, height=180, fps=25, frames=10">
<style>@keyframes k{to{margin-left:200px}}p{animation:k 1s}</style><p id=p>Hello</p>"""
LOOPS = "<!doctype html><body><script>(function loop(t) { document.body.textContent = t; requestAnimationFrame(loop) })()</script>"

TERMS = pytest.mark.parametrize("term", ["xterm-256color", "dumb"])


def interrupt_at(word: str) -> Callable[[str], bytes]:
    """Types Ctrl-C once, as soon as a word is there."""
    done: list[bool] = []

    def keys(message: str) -> bytes:
        if done or word not in message:
            return b""
        done.append(True)
        return b"\x03"

    return keys


def assert_clean(screen: Screen, *lines: str) -> None:
    """The screen has lines that begin so, whole messages at the left edge, nothing else, and the cursor below."""
    shown = [line for line in screen.lines if line.strip()]
    assert len(shown) >= len(lines), shown
    text = "".join(shown)
    for line in lines:
        assert any(each.startswith(line) for each in shown), (line, shown)
        assert text.count(line) == 1, shown
    assert "━" not in text, shown
    assert "0:00:0" not in text, shown
    assert screen.column == 0, shown
    assert screen.cursor_is_shown


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page.html").write_text(PAGE)
    (tmp_path / "broken.html").write_text("<!doctype html><script>undefinedThing.go()</script>")
    (tmp_path / "loops.html").write_text(LOOPS)
    (tmp_path / "rows.csv").write_text("id\na\nb\n")
    job = json.loads(spec(Path("video.mp4"), chunks=3, attempts=1).model_dump_json())
    (tmp_path / "job.json").write_text(json.dumps(job))
    job["commands"]["chunks"][1] |= {"command": "sh", "args": ["-c", "sleep 1; exit 3"]}
    (tmp_path / "failing.json").write_text(json.dumps(job))
    job["commands"]["chunks"][1] |= {"command": "sh", "args": ["-c", "sleep 600"]}
    (tmp_path / "waiting.json").write_text(json.dumps(job))
    return tmp_path


@TERMS
@pytest.mark.parametrize(
    ("args", "code", "lines"),
    [
        (["render", "page.html", "-o", "a.mp4"], 0, []),
        (["render", "broken.html", "-o", "a.mp4", "--frames", "9"], 1, ["helios: "]),
        (["render", "missing.html", "-o", "a.mp4", "--frames", "9"], 2, ["helios: missing.html"]),
        (["batch", "page.html", "rows.csv", "-o", "{id}.mp4"], 0, ["helios: 2 videos rendered"]),
        (["batch", "broken.html", "rows.csv", "-o", "{id}.mp4", "--frames", "9"], 1, ["helios: "]),
        (["job", "run", "job.json"], 0, []),
        (["job", "run", "failing.json"], 1, ["helios: "]),
    ],
)
def test_success_and_failure(args: list[str], code: int, lines: list[str], term: str, folder: Path) -> None:
    finished, screen, message = on_terminal(*args, cwd=folder, term=term)
    assert finished == code, message
    assert_clean(screen, *lines)


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["render", "loops.html", "-o", "a.mp4", "--frames", "9999", "--workers", "1"], "worker 0"),
        (["render", "loops.html", "-o", "a.mp4", "--frames", "9999", "--workers", "1"], "frames/s"),  # the widest bar
        (["batch", "loops.html", "rows.csv", "-o", "{id}.mp4", "--frames", "9999"], "videos by"),
        (["job", "run", "waiting.json"], "worker 1"),
    ],
)
def test_ctrl_c(args: list[str], word: str, folder: Path) -> None:
    finished, screen, message = on_terminal(*args, cwd=folder, keys=interrupt_at(word))
    assert finished == 130, message
    assert_clean(screen, "helios: stopped")


@pytest.mark.parametrize(("name", "verb"), [("failing", "watch"), ("failing", "retry"), ("failing", "resume")])
def test_a_job_that_is_followed_or_tried_again(name: str, verb: str, folder: Path) -> None:
    on_terminal("job", "run", f"{name}.json", cwd=folder)
    (status,) = Journal().statuses()
    finished, screen, message = on_terminal("job", verb, status.id, cwd=folder)
    assert finished == 1, message
    assert_clean(screen, "helios: ")
