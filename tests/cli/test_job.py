"""``helios job``: what its commands print, do, and refuse."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helios.jobs import JobSpec
from helios.stitcher.binary import find_ffmpeg
from support.commands import expected, images, spec
from support.processes import wait_until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where commands run: it holds job.json, six chunks of five frames."""
    path = tmp_path / "here"
    path.mkdir()
    (path / "job.json").write_text(spec(Path("video.mp4")).model_dump_json())
    return path


def helios(folder: Path, *args: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "helios", "job", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder)
    assert done.returncode == code, done.stderr
    return done


def told(folder: Path, *args: object, code: int = 0) -> list[dict[str, Any]]:
    """What a command prints for machines."""
    return [json.loads(line) for line in helios(folder, *args, "--json", code=code).stdout.splitlines()]


def test_a_spec_runs_and_its_output_lies_beside_it(folder: Path, tmp_path: Path) -> None:
    done = helios(tmp_path, "run", folder / "job.json")
    assert "30 frames" in done.stderr
    assert images(folder / "video.mp4") == expected(30)
    events = told(tmp_path, "run", folder / "job.json")
    assert [event["event"] for event in events].count("chunk-cached") == 6
    assert (events[-1]["event"], events[-1]["cached_chunks"], events[-1]["duration"]) == ("render-finished", 6, None)


def test_a_submitted_job_is_listed_watched_and_told_of(folder: Path) -> None:
    (submitted,) = told(folder, "submit", "job.json")
    job = submitted["job"]
    events = told(folder, "watch", job[:5])
    assert [event["event"] for event in events].count("chunk-finished") == 6
    assert events[-1]["event"] == "render-finished"
    (status,) = told(folder, "status", job)
    assert (status["state"], status["frames"], status["all_frames"], status["chunks"]) == ("done", 30, 30, 6)
    assert told(folder, "list") == [status]
    assert job in helios(folder, "list").stdout
    assert "30/30 frames, 6/6 chunks" in helios(folder, "status", job).stdout
    assert images(folder / "video.mp4") == expected(30)


def test_logs_are_transitions_of_the_job_and_its_chunks(folder: Path) -> None:
    helios(folder, "run", "job.json")
    (status,) = told(folder, "list")
    lines = helios(folder, "logs", status["job"]).stdout.splitlines()
    assert lines[0].endswith("job: queued: created")
    assert "job: running -> done: 30 frames in " in lines[-1]
    of_one = helios(folder, "logs", status["job"], "--chunk", "3").stdout.splitlines()
    assert len(of_one) == 2
    assert all("chunk 3, attempt 1: " in line for line in of_one)
    states = [line["new_state"] for line in told(folder, "logs", status["job"], "--chunk", "3")]
    assert states == ["running", "done"]


def waiting(folder: Path, gate: Path) -> None:
    """Has chunk 2 of the job wait for a file."""
    job = json.loads((folder / "job.json").read_text())
    chunk = job["commands"]["chunks"][2]
    script = f'while ! test -e {gate}; do sleep 0.02; done; exec "$@"'
    chunk |= {"command": "sh", "args": ["-c", script, "sh", chunk["command"], *chunk["args"]]}
    (folder / "job.json").write_text(json.dumps(job))


@pytest.mark.parametrize(("verb", "state"), [("pause", "paused"), ("cancel", "cancelled")])
def test_a_job_is_stopped_and_resumed(verb: str, state: str, folder: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waiting(folder, gate)
    job = helios(folder, "submit", "job.json").stdout.strip()
    wait_until(lambda: told(folder, "status", job)[0]["chunks"] == 5, "the other chunks")
    assert "is being run by another process" in helios(folder, "resume", job, code=2).stderr
    assert "cancel" in helios(folder, "delete", job, code=2).stderr
    assert state in helios(folder, verb, job).stdout
    assert told(folder, "status", job)[0]["state"] == state
    assert "resume" in helios(folder, "watch", job, "--quiet", code=1).stderr
    gate.touch()
    events = told(folder, "resume", job)
    assert (events[-1]["cached_chunks"], events[-1]["attempts"]) == (5, 1)
    assert images(folder / "video.mp4") == expected(30)


def test_a_failed_job_says_what_to_do_and_is_retried(folder: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    job = json.loads((folder / "job.json").read_text()) | {"attempts": 1}
    chunk = job["commands"]["chunks"][2]
    chunk |= {
        "command": "sh", "args": ["-c", f'test -e {gate} && exec "$@"', "sh", chunk["command"], *chunk["args"]]
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job))
    failed = helios(folder, "run", "job.json", code=1)
    (status,) = told(folder, "list")
    assert f"helios job retry {status['job']}" in failed.stderr
    assert status["state"] == "failed"
    assert status["code"] == "chunk-failed"
    gate.touch()
    helios(folder, "retry", status["job"])
    assert images(folder / "video.mp4") == expected(30)
    assert "has not failed" in helios(folder, "retry", status["job"], code=2).stderr


def test_one_chunk_runs_alone_and_is_repeated_by_what_is_printed(folder: Path) -> None:
    done = helios(folder, "run", "job.json", "--chunk", "3")
    assert images(folder / "chunk-000003.mp4") == expected(30)[15:20]
    repeat = done.stdout.splitlines()[1].removeprefix("repeat it: ")
    subprocess.run(["sh", "-ec", repeat], check=True)
    assert images(folder / "chunk-000003" / "segment.mp4") == expected(30)[15:20]
    assert "chunks 0 to 5" in helios(folder, "run", "job.json", "--chunk", "6", code=2).stderr
    assert told(folder, "list") == [], "it is no job"


def test_a_chunk_of_a_page_is_repeated_by_what_is_printed(folder: Path) -> None:
    (folder / "page.html").write_text(
        "<!doctype html><meta name=helios content='width=320, height=180, frames=9'><p>words"
    )
    command = [sys.executable, "-m", "helios", "render", "page.html", "-o", "page.mp4", "--chunk-frames", "3"]
    subprocess.run([*command, "--emit-job", "page.json"], cwd=folder, check=True)
    assert not (folder / "page.mp4").exists()
    assert JobSpec.read(folder / "page.json").plan.parts[2].stop == 9
    helios(folder, "run", "page.json")
    (status,) = told(folder, "list")
    (message,) = told(folder, "repro", status["job"], "1")
    subprocess.run(["sh", "-ec", message["command"]], check=True, stdout=subprocess.DEVNULL)
    report = json.loads((folder / f"{status['job']}-chunk-000001" / "segment.mp4.json").read_text())
    assert (report["start"], report["stop"]) == (3, 6)


def test_a_deleted_job_is_gone(folder: Path) -> None:
    helios(folder, "run", "job.json")
    (status,) = told(folder, "list")
    helios(folder, "delete", status["job"])
    assert told(folder, "list") == []
    assert "no jobs" in helios(folder, "list").stderr
    assert list(Path(os.environ["HELIOS_STATE"]).glob("artifacts/segments/*/*.mp4")) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "job.json is not a job spec: Invalid JSON"),
        ('{"version": 2, "output": "a.mp4"}', "has version 2; this Helios runs job specs of version 1"),
        ('{"version": 1, "output": "a.mp4"}', "either a page or commands"),
        ('{"version": 1, "output": "a.mp4", "commands": {"chunks": []}}', "commands.chunks"),
        (
            '{"version": 1, "output": "a.mp4", "commands": {"chunks": [{"command": "a", "output": "../b"}]}}',
            "commands.chunks.0.output",
        ),
        ('{"version": 1, "output": "a.mp4", "attempts": 0, "commands": {"chunks": [{"command": "a", "output": "b"}]}}',
         "attempts"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["run", "submit"])
def test_what_is_no_job_is_refused_in_one_line(verb: str, text: str, words: str, folder: Path) -> None:
    (folder / "job.json").write_text(text)
    done = helios(folder, verb, "job.json", code=2)
    (line,) = done.stderr.splitlines()
    assert line.startswith("helios: ")
    assert words in line
    assert told(folder, "list") == []


@pytest.mark.parametrize("verb", ["status", "watch", "logs", "pause", "cancel", "resume", "retry", "delete", "report"])
def test_a_job_that_is_not_there_is_said_in_one_line(verb: str, folder: Path) -> None:
    (line,) = helios(folder, verb, "nope", code=2).stderr.splitlines()
    assert "there is no job 'nope'" in line


def test_a_state_folder_that_can_not_be_written_is_said(folder: Path) -> None:
    (folder / "file").write_text("")
    command = [sys.executable, "-m", "helios", "job", "run", "job.json"]
    environment = {**os.environ, "HELIOS_STATE": str(folder / "file" / "state")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert "HELIOS_STATE" in line


def test_another_renderer_than_ours_is_distributed(folder: Path) -> None:
    """The example of docs/jobs.md, with ffmpeg for Blender."""
    parts = [{"command": str(find_ffmpeg()), "args": spec(Path("x"), chunks=3).model_dump()["commands"]["chunks"][k]["args"],
              "output": "segment.mp4", "frames": 5} for k in range(3)]  # fmt: skip
    (folder / "job.json").write_text(
        json.dumps({"version": 1, "output": "video.mp4", "commands": {"workers": 2, "chunks": parts, "merge": None}})
    )
    helios(folder, "run", "job.json")
    assert images(folder / "video.mp4") == expected(15)
