"""The log of a job: its transitions with reasons, the output of its commands, and no secrets."""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helios import logs
from helios.errors import ChunkFailed
from helios.jobs import JobSpec, Journal
from helios.jobs.job import Job
from helios.jobs.recorder import MAX_LINE, MAX_OUTPUT_LINES, Recorder
from helios.jobs.runner import run_job
from helios.jobs.transitions import LogEntry, OutputLine, Transition
from helios.stitcher.binary import find_ffmpeg
from support.commands import draw, spec
from support.processes import wait_until

SECRETS = {
    "environment": "xyzzy-plugh",
    "signature": "5a6b7c8d9e0f",
    "token": "tok-0123456789abcdef",
    "path": "T000/B000/hook-path",
    "webhook": "c2VjcmV0IG9mIGF0IGxlYXN0IDI0IGJ5dGVz",
}
SIGNED = f"https://bucket.example/data?X-Amz-Signature={SECRETS['signature']}&X-Amz-Expires=60"


def entries(journal: Journal, job: str, chunk: int | None = None) -> list[LogEntry]:
    async def work() -> list[LogEntry]:
        return [entry async for entry in Job(journal, job).log(chunk=chunk)]

    return asyncio.run(work())


def states(journal: Journal, job: str, chunk: int | None = None) -> list[tuple[str | None, str]]:
    """The changes of state of the job itself, or of one of its chunks."""
    found = [entry for entry in entries(journal, job) if isinstance(entry, Transition)]
    return [(entry.old_state, entry.new_state) for entry in found if entry.chunk == chunk]


def scripted(output: Path, script: str, *, env: dict[str, str] | None = None, **more: Any) -> JobSpec:
    """A job of one chunk, which is a shell script."""
    job = json.loads(spec(output, chunks=1, **more).model_dump_json())
    env = {"PATH": os.environ["PATH"], "FFMPEG": str(find_ffmpeg()), **(env or {})}
    job["commands"]["chunks"][0] |= {"command": "sh", "args": ["-c", script, "sh", *draw(0, 5)], "env": env}
    return JobSpec.parse(json.dumps(job), "the job")


def test_transitions_are_stored_and_logged_with_their_reasons(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "helios")
    journal, gate = Journal(), tmp_path / "gate"
    job = journal.create(scripted(tmp_path / "video.mp4", f'test -e {gate} || exit 3; exec "$FFMPEG" "$@"', attempts=2))
    with pytest.raises(ChunkFailed):
        asyncio.run(run_job(journal, job))
    gate.touch()
    asyncio.run(run_job(journal, job))
    expected = [
        (None, "queued"),
        ("queued", "running"),
        ("running", "failed"),
        ("failed", "running"),
        ("running", "done"),
    ]
    assert states(journal, job) == expected
    assert states(journal, job, 0) == [
        ("queued", "running"), ("running", "queued"), ("queued", "running"), ("running", "failed"),
        ("queued", "running"), ("running", "done"),
    ]  # fmt: skip
    found = [entry for entry in entries(journal, job) if isinstance(entry, Transition)]
    assert all(entry.reason and entry.host for entry in found)
    failed = [entry for entry in found if entry.chunk == 0 and entry.new_state == "queued"]
    assert failed[0].attempt == 1
    assert failed[0].reason.startswith("command-failed: ")
    assert "exit code 3" in failed[0].reason
    logged = [record for record in caplog.records if record.name == "helios.jobs.journal"]
    assert [(record.old_state, record.new_state) for record in logged] == expected  # pyright: ignore[reportAttributeAccessIssue]
    assert all(record.job == job and record.reason for record in logged)  # pyright: ignore[reportAttributeAccessIssue]


def test_a_job_that_another_process_left_running_says_so(tmp_path: Path) -> None:
    journal = Journal()
    job = journal.create(spec(tmp_path / "video.mp4", chunks=1))
    journal.transition(job, "start")
    asyncio.run(run_job(journal, job))
    assert [entry.reason for entry in entries(journal, job) if isinstance(entry, Transition) and not entry.attempt][
        2
    ] == ("resumed: its previous process is gone")


def test_the_output_of_commands_is_stored_in_order_without_progress(tmp_path: Path) -> None:
    journal = Journal()
    script = (
        r"echo one; echo 'openjd_progress: 50'; printf 'two \377\n'; echo three >&2; exec \"$FFMPEG\" \"$@\"".replace(
            '\\"', '"'
        )
    )
    job = journal.create(scripted(tmp_path / "video.mp4", script))
    asyncio.run(run_job(journal, job))
    lines = [entry for entry in entries(journal, job, chunk=0) if isinstance(entry, OutputLine)]
    assert [entry.line for entry in lines] == ["one", "two ?", "three"]
    assert {entry.chunk for entry in lines} == {0}


def test_the_journal_stores_no_endless_output() -> None:
    journal = Journal()
    job = journal.create(spec(Path("video.mp4")))
    recorder = Recorder(journal, job)
    for _ in range(MAX_OUTPUT_LINES + 5):
        recorder.record_output(0, "x" * (MAX_LINE + 1))
    recorder.flush()
    lines = [line for _, line in journal.output(job)]
    assert len(lines) == MAX_OUTPUT_LINES
    assert {len(line.line) for line in lines[:-1]} == {MAX_LINE}
    assert "the rest is not stored" in lines[-1].line


def test_deleting_a_job_deletes_its_log(tmp_path: Path) -> None:
    journal = Journal()
    job = journal.create(scripted(tmp_path / "video.mp4", 'echo one; exec "$FFMPEG" "$@"'))
    asyncio.run(run_job(journal, job))
    assert journal.transitions(job)
    assert journal.output(job)
    journal.delete(job)
    assert not journal.transitions(job)
    assert not journal.output(job)


def test_following_a_log_prints_lines_until_the_job_has_finished_and_leaving_it_changes_nothing(tmp_path: Path) -> None:
    journal, gate = Journal(), tmp_path / "gate"
    script = f'echo waiting; while ! test -e {gate}; do sleep 0.02; done; echo open; exec "$FFMPEG" "$@"'
    job = Job.submit(journal, scripted(tmp_path / "video.mp4", script))
    command = [sys.executable, "-m", "helios", "job", "logs", job.id, "--follow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as leaving:
        assert leaving.stdout
        while "waiting" not in leaving.stdout.readline():
            assert leaving.poll() is None
        leaving.send_signal(signal.SIGINT)
        message = leaving.communicate(timeout=60)[1]
    assert leaving.returncode == 128 + signal.SIGINT
    assert f"job {job.id} goes on" in message
    assert job.status().alive
    with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout
        lines = [json.loads(following.stdout.readline())]
        while lines[-1].get("line") != "waiting":
            lines.append(json.loads(following.stdout.readline()))
        gate.touch()
        lines += [json.loads(line) for line in following.stdout]
    assert following.returncode == 0
    assert [line["line"] for line in lines if line["kind"] == "output"] == ["waiting", "open"]
    assert lines[0] | {"at": 0, "host": ""} == {
        "kind": "transition", "at": 0, "host": "", "old_state": None, "new_state": "queued", "reason": "created",
        "chunk": None, "attempt": None,
    }  # fmt: skip
    assert (lines[-1]["old_state"], lines[-1]["new_state"]) == ("running", "done")


@pytest.mark.parametrize("outcome", ["done", "failed"])
def test_no_secret_is_in_any_log_line_event_or_text_of_the_journal(
    outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HELIOS_WEBHOOK_SECRET", "whsec_" + SECRETS["webhook"])
    shout = f'echo "$SECRET"; echo "GET {SIGNED}" >&2; echo "Authorization: Bearer {SECRETS["token"]}" >&2; '
    job = scripted(
        tmp_path / "video.mp4",
        shout + ("exit 3" if outcome == "failed" else 'exec "$FFMPEG" "$@"'),
        env={"SECRET": SECRETS["environment"]},
        attempts=2,
        webhook=f"http://127.0.0.1:9/{SECRETS['path']}",
    )
    (tmp_path / "job.json").write_text(job.model_dump_json())
    printed = ""
    for options in ([], ["--json"]):
        command = [sys.executable, "-m", "helios", "-vv", "job", "run", str(tmp_path / "job.json"), *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode == 0) == (outcome == "done"), done.stderr
        printed += done.stdout + done.stderr
    journal = Journal()
    submitted = Job.submit(journal, job)
    wait_until(lambda: not submitted.status().alive and submitted.status().state == outcome, "the job's end", 60)
    printed += journal.log_path(submitted.id).read_text()
    for status in journal.statuses():
        printed += f"{status}"
        printed += "".join(event.model_dump_json() for _, _, event in journal.events(status.id))
        printed += "".join(f"{entry}{entry.values()}" for entry in entries(journal, status.id))
    logs.configure(2)
    try:
        recorded = Journal()
        with pytest.raises(ChunkFailed) if outcome == "failed" else pytest.MonkeyPatch.context():
            asyncio.run(run_job(recorded, recorded.create(job)))
    finally:
        logging.getLogger("helios").handlers = [logging.NullHandler()]
    printed += "".join(capfd.readouterr())
    assert "bucket.example" in printed, "the output is there"
    assert {name for name, secret in SECRETS.items() if secret in printed} == set()


def test_only_the_user_may_read_the_journal(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    Journal(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal._database.execute("PRAGMA user_version = 1")  # pyright: ignore[reportPrivateUsage]
    journal.close()
    with pytest.raises(Exception, match="was written by another version of Helios: delete it, or set HELIOS_STATE"):
        Journal(tmp_path)
