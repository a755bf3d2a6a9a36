"""Many videos of one page, a row each: by warm workers, exact, and never twice."""

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import psutil
import pytest

import helios
from helios.adapters import LocalTarget, LocalWorkerAdapter
from helios.renderer.messages import BatchSpec
from helios.worker import LineSink, WorkerJob, WorkerResult
from support.processes import alive, descendants, named, wait_until
from support.template import PAGE
from support.videos import assert_exact

ROWS = [{"name": f"n{k}", "frames": 8 + k} for k in range(6)]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page" / "card.html"
    path.parent.mkdir()
    path.write_text(PAGE)
    return path


class Events:
    """The events of a batch."""

    def __init__(self, also: Callable[[helios.BatchEvent], None] = lambda event: None) -> None:
        self.events: list[Any] = []
        self._also = also

    def __call__(self, event: helios.BatchEvent) -> None:
        self.events.append(event)
        self._also(event)

    def of(self, kind: str) -> dict[int, Any]:
        found = [event for event in self.events if event.event == kind]
        assert len({event.row for event in found}) == len(found), "one event for each row"
        return {event.row: event for event in found}

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.events if event.event == "warning-issued"]


def batch(
    page: Path, rows: Path | list[dict[str, Any]], events: Events | None = None, **options: Any
) -> tuple[helios.VideoResult, ...]:
    pattern = f"{page.parent.parent}/out/{{name}}.mp4"
    options = {"preset": "ultrafast", "workers": 2, **options}
    return helios.batch_sync(page, rows, pattern, on_event=events or Events(), **options)


def outcomes(results: tuple[helios.VideoResult, ...]) -> Counter[str]:
    return Counter(result.outcome for result in results)


def test_each_row_is_a_video_with_the_frames_that_render_makes(page: Path, tmp_path: Path) -> None:
    rows = [*ROWS, {"name": "wide", "width": 200}]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    events = Events()
    results = batch(page, tmp_path / "rows.jsonl", events)
    made = events.of("video-rendered")
    assert outcomes(results) == {"rendered": 7}
    assert [result.frames for result in results] == [8, 9, 10, 11, 12, 13, 10]
    assert {event.worker for event in made.values()} == {0, 1}
    assert [event.event for event in events.events][0::8] == ["batch-planned", "batch-finished"]
    for number, row in enumerate(rows, 1):
        assert_exact(tmp_path / "out" / f"{row['name']}.mp4", results[number - 1].frames or 0, Fraction(25))
    for number in (2, 7):
        repro = helios.render_sync(page, tmp_path / "alone.mp4", props=rows[number - 1])
        assert made[number].hashes == repro.hashes
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(f"{row['name']}.mp4" for row in rows)


def test_a_second_run_draws_only_what_is_new(page: Path, tmp_path: Path) -> None:
    (page.parent / "words.txt").write_text("one")
    rows = [{"name": "a"}, {"name": "b", "reads": "words.txt"}, {"name": "c"}]
    first = Events()
    batch(page, rows, first)
    before = {path.name: path.stat().st_ino for path in (tmp_path / "out").iterdir()}
    again = Events()
    assert outcomes(batch(page, rows, again)) == {"cached": 3}
    assert {row: event.hashes for row, event in again.of("video-cached").items()} == {
        row: event.hashes for row, event in first.of("video-rendered").items()
    }
    assert {path.name: path.stat().st_ino for path in (tmp_path / "out").iterdir()} == before, "they are left alone"
    (tmp_path / "out" / "a.mp4").unlink()
    (tmp_path / "out" / "c.mp4").write_bytes(b"something else")
    (page.parent / "words.txt").write_text("two")
    results = batch(page, [*rows, {"name": "d"}])
    assert [result.outcome for result in results] == ["cached", "rendered", "cached", "rendered"]
    assert_exact(tmp_path / "out" / "a.mp4", 10, Fraction(25))
    assert_exact(tmp_path / "out" / "c.mp4", 10, Fraction(25))
    assert outcomes(batch(page, rows, crf=40)) == {"rendered": 3}
    assert outcomes(batch(page, rows, fresh=True)) == {"rendered": 3}


def test_a_row_that_throws_fails_alone_and_is_tried_again_by_the_next_run(page: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"name": "a", "throws": "no data"}, {"name": "b"}, {"name": "c", "frames": 0}]
    events = Events()
    results = batch(page, [*rows, {"name": "d"}], events, workers=1)
    assert [result.outcome for result in results] == ["failed", "rendered", "failed", "rendered"]
    failed = events.of("video-failed")
    assert (failed[1].code, failed[3].code) == ("page", "usage")
    assert "no data" in failed[1].error
    assert results[2].error == "the video must have at least 1 frame, not 0"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b.mp4", "d.mp4"]
    rows[0]["throws"] = rows[2]["frames"] = 9
    rows[0].pop("throws")
    assert [result.outcome for result in batch(page, rows)] == ["rendered", "cached", "rendered"]


def test_a_page_that_no_row_can_be_drawn_with_ends_the_batch(page: Path) -> None:
    with pytest.raises(helios.PageError, match="broken"):
        batch(page, [{"name": str(k), "throws": "broken"} for k in range(9)])


def test_a_row_that_is_not_safe_to_draw_fast_is_drawn_faithfully(page: Path, tmp_path: Path) -> None:
    rows = [{"name": "a"}, {"name": "b", "scaled": True}, {"name": "c"}]
    events = Events()
    assert outcomes(batch(page, rows, events)) == {"rendered": 3}
    assert events.events[0].capture == "stage"
    assert [warning for warning in events.warnings if warning.startswith("row 2: fast capture is not safe")]
    repro = helios.render_sync(page, tmp_path / "alone.mp4", props=rows[1])
    assert events.of("video-rendered")[2].hashes == repro.hashes
    assert outcomes(batch(page, rows)) == {"cached": 3}
    only_fast = batch(page, rows, capture="fast", fresh=True)
    assert [result.outcome for result in only_fast] == ["rendered", "failed", "rendered"]


def test_videos_that_a_killed_worker_has_drawn_are_kept(page: Path) -> None:
    killed: list[int] = []

    def kill(event: helios.BatchEvent) -> None:
        if event.event == "video-rendered" and not killed:
            (worker,) = named(os.getpid(), "helios.renderer", "videos")
            killed.append(worker.pid)
            worker.kill()

    events = Events(kill)
    results = batch(page, ROWS, events, workers=1)
    assert killed
    assert outcomes(results) == {"rendered": 6}
    assert sorted(events.of("video-rendered")) == [1, 2, 3, 4, 5, 6], "each of them once"
    assert ["SIGKILL" in warning for warning in events.warnings] == [True]
    assert named(os.getpid(), "chrom") == []


class Poisoned(LocalWorkerAdapter):
    """This machine, but a row of that name kills its worker; ``seen`` are the videos of each command."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.seen: list[list[str]] = []

    async def execute(self, job: WorkerJob, on_line: LineSink | None = None) -> WorkerResult:
        path = Path(job.cwd or "", "spec.json")
        if "videos" not in job.args:
            return await super().execute(job, on_line)
        spec = BatchSpec.model_validate_json(path.read_bytes())
        names = [video.props["name"] for video in spec.videos]
        self.seen.append(names)
        if self._name not in names:
            return await super().execute(job, on_line)
        if before := spec.videos[: names.index(self._name)]:
            path.write_text(spec.model_copy(update={"videos": before}).model_dump_json())
            await super().execute(job, on_line)
        return WorkerResult(-signal.SIGKILL, "", "out of memory", 1.0)


def test_a_row_that_kills_its_workers_fails_alone(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    poisoned = Poisoned("n1")

    @asynccontextmanager
    async def opened(place: LocalTarget) -> AsyncGenerator[Poisoned]:
        yield poisoned

    monkeypatch.setattr("helios.api.batches.open_adapter", opened)
    results = batch(page, ROWS[:4], workers=1, attempts=2)
    assert [result.outcome for result in results] == ["rendered", "failed", "rendered", "rendered"]
    assert "in 2 attempts" in str(results[1].error)
    assert "SIGKILL" in str(results[1].error)
    assert poisoned.seen == [["n0", "n1", "n2", "n3"], ["n1", "n2", "n3"], ["n2", "n3"]]


def test_a_command_that_is_killed_goes_on_where_it_was(page: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("name,frames\n" + "".join(f"n{k},{8 + k}\n" for k in range(6)))
    command = [sys.executable, "-m", "helios", "batch", str(page), str(tmp_path / "rows.csv")]
    command += ["-o", str(tmp_path / "out" / "{name}.mp4"), "--workers", "1", "--preset", "ultrafast", "--json"]
    drawn: list[int] = []
    family: list[psutil.Process] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        for event in map(json.loads, run.stdout):
            if event["event"] == "video-rendered":
                drawn.append(event["row"])
                if len(drawn) == 2:
                    family = descendants(run.pid)
                    run.send_signal(signal.SIGKILL)
                    break
    wait_until(lambda: not any(alive(process) for process in family), "its workers to end")
    assert not [path for path in (tmp_path / "out").iterdir() if path.suffix != ".mp4"]
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    events = [json.loads(line) for line in again.stdout.splitlines()]
    cached = [event["row"] for event in events if event["event"] == "video-cached"]
    rendered = [event["row"] for event in events if event["event"] == "video-rendered"]
    assert set(drawn) <= set(cached)
    assert sorted(cached + rendered) == [1, 2, 3, 4, 5, 6]
    assert rendered
    assert_exact(tmp_path / "out" / "n5.mp4", 13, Fraction(25))


def test_the_command_shows_a_table_and_fails_if_a_row_does(page: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("name,throws\nAda,\nBob,no such city\n")
    command = [sys.executable, "-m", "helios", "batch", str(page), str(tmp_path / "rows.csv"), "--preset", "ultrafast"]
    command += ["-o", str(tmp_path / "out" / "{name}.mkv"), "--results", str(tmp_path / "results.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "1 videos rendered, 0 cached, 1 failed" in done.stderr
    table = done.stdout.splitlines()
    assert table[0].split() == ["row", "video", "frames", "seconds"]
    assert "Ada.mkv" in table[1]
    assert "rendered" in table[1]
    assert "no such city" in table[2]
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["outcome"], row["frames"]) for row in rows] == [
        ("1", "rendered", "10"),
        ("2", "failed", ""),
    ]
    assert "no such city" in rows[1]["error"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["rows.csv", "-o", "out/{nr}.mp4"], ["'nr'"]),
        (["rows.csv", "-o", "out/{name}.doc"], [".mp4"]),
        (["none.csv"], ["none.csv"]),
        (["rows.csv", "--results", "table.txt"], ["table.txt", ".csv"]),
        (["rows.csv", "--props", "[1]"], ["JSON object"]),
        (["rows.csv", "--attempts", "0"], ["attempts must be 1 or more, not 0"]),
    ],
)
def test_bad_input_gets_one_line_before_anything_is_drawn(
    args: list[str], words: list[str], page: Path, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("name\nAda\n")
    command = [sys.executable, "-m", "helios", "batch", str(page), *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("helios: ")
    assert all(word in line for word in words)
    assert not (tmp_path / "out").exists()


def test_two_processes_do_not_make_the_same_batch(page: Path) -> None:
    async def both() -> list[Any]:
        def one() -> Any:
            return helios.batch(page, ROWS, f"{page.parent.parent}/out/{{name}}.mp4", preset="ultrafast")

        return await asyncio.gather(one(), one(), return_exceptions=True)

    results = asyncio.run(both())
    (refused,) = [result for result in results if isinstance(result, helios.UsageError)]
    assert "another process" in str(refused)
    assert [len(result) for result in results if isinstance(result, tuple)] == [6]
