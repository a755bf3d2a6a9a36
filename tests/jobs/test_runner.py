"""A job runs until it is done, from any point on, and renders each chunk once."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import helios
from helios.errors import ChunkFailed, CommandNotFound, JobFailed, JobStopped, UsageError
from helios.jobs import JobSpec, Journal
from helios.jobs.job import Job
from helios.jobs.recorder import Recorder
from helios.jobs.runner import run_job
from helios.orchestrator import ChunkCached, ChunkFinished, RenderEvent, RenderResult
from helios.orchestrator.events import ChunkProgressed, CommandsPlanned
from support.commands import expected, images, spec
from support.processes import alive, named, wait_until


@pytest.fixture
def journal() -> Journal:
    return Journal()


def run(journal: Journal, job: JobSpec | str, events: list[RenderEvent] | None = None) -> RenderResult:
    name = job if isinstance(job, str) else journal.create(job)
    return asyncio.run(run_job(journal, name, events.append if events is not None else lambda event: None))


def succeeded(log: Path) -> list[int]:
    """The chunks whose commands have succeeded, in the order in which they did."""
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def test_a_job_of_other_programs_gives_an_exact_video(journal: Journal, tmp_path: Path) -> None:
    events: list[RenderEvent] = []
    video = run(journal, spec(tmp_path / "video.mp4", chunks=7, frames=5), events)
    assert (video.frames, video.attempts, video.cached_chunks) == (35, 7, 0)
    assert images(tmp_path / "video.mp4") == expected(35)
    assert [event.event for event in events][:1] == ["commands-planned"]
    assert len([event for event in events if isinstance(event, ChunkFinished)]) == 7
    assert [path.name for path in tmp_path.iterdir()] == ["video.mp4"], "nothing else is left there"
    assert list(journal.folder.glob("work/*")) == []


def test_the_same_job_twice_costs_one_stitch(journal: Journal, tmp_path: Path) -> None:
    log = tmp_path / "log"
    run(journal, spec(tmp_path / "video.mp4", log=log))
    events: list[RenderEvent] = []
    again = run(journal, spec(tmp_path / "again.mp4", log=log), events)
    assert sorted(succeeded(log)) == list(range(6))
    assert (again.attempts, again.cached_chunks) == (0, 6)
    assert len([event for event in events if isinstance(event, ChunkCached)]) == 6
    assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / "video.mp4").read_bytes()


def test_progress_starts_again_with_another_plan(journal: Journal, tmp_path: Path) -> None:
    job = journal.create(spec(tmp_path / "video.mp4", chunks=6, frames=5))
    recorder = Recorder(journal, job)
    recorder.record(CommandsPlanned(frames=30, chunks=6, workers=2))
    recorder.record(ChunkFinished(chunk=3, attempt=1, worker=0, frames=5, repeated=0, seconds=1.0))
    recorder.record(ChunkProgressed(chunk=4, worker=1, frames=2))
    recorder.flush()
    status = journal.status(job)
    assert (status.frames, status.all_frames, status.chunks, status.all_chunks) == (7, 30, 1, 6)
    recorder = Recorder(journal, job)
    recorder.record(ChunkFinished(chunk=5, attempt=1, worker=0, frames=5, repeated=0, seconds=1.0))
    recorder.record(CommandsPlanned(frames=30, chunks=1, workers=1))
    recorder.record(ChunkProgressed(chunk=0, worker=0, frames=9))
    recorder.flush()
    status = journal.status(job)
    assert (status.frames, status.all_frames, status.chunks, status.all_chunks) == (9, 30, 0, 1)


def test_a_fresh_job_reuses_only_its_own_chunks(journal: Journal, tmp_path: Path) -> None:
    log = tmp_path / "log"
    run(journal, spec(tmp_path / "video.mp4", log=log))
    fresh = spec(tmp_path / "video.mp4", log=log, fresh=True)
    job = journal.create(fresh)
    assert run(journal, job).attempts == 6
    assert run(journal, job).attempts == 0
    assert sorted(succeeded(log)) == sorted([*range(6)] * 2)


def test_chunks_whose_inputs_have_changed_are_rendered_again(journal: Journal, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_text("one")

    def job() -> JobSpec:
        plain = spec(tmp_path / "video.mp4", chunks=3)
        assert plain.commands
        (first, *others) = plain.commands.chunks
        chunks = (first.model_copy(update={"inputs": (data,)}), *others)
        return plain.model_copy(update={"commands": plain.commands.model_copy(update={"chunks": chunks})})

    assert run(journal, job()).attempts == 3
    assert run(journal, job()).attempts == 0
    data.write_text("two")
    assert run(journal, job()).attempts == 1


def test_an_input_that_changes_while_it_is_used_costs_an_attempt(journal: Journal, tmp_path: Path) -> None:
    data, ran = tmp_path / "data.txt", tmp_path / "ran"
    data.write_text("old")
    script = f"cat {data} > out.txt; [ -e {ran} ] || {{ : > {ran}; echo new > {data}; }}"
    chunk = {
        "command": "sh",
        "args": ["-c", script],
        "env": {"PATH": os.environ["PATH"]},
        "output": "out.txt",
        "inputs": [str(data)],
    }
    merge = {
        "command": "cp",
        "args": ["000000.txt", "video.txt"],
        "env": {"PATH": os.environ["PATH"]},
        "output": "video.txt",
    }
    job = {"version": 1, "output": str(tmp_path / "video.txt"), "commands": {"chunks": [chunk], "merge": merge}}
    events: list[RenderEvent] = []
    run(journal, JobSpec.parse(json.dumps(job), "the job"), events)
    assert (tmp_path / "video.txt").read_text() == "new\n"
    assert [event.code for event in events if event.event == "chunk-attempt-failed"] == ["page-changed"]


def test_a_chunk_that_is_damaged_in_the_cache_is_rendered_again(journal: Journal, tmp_path: Path) -> None:
    log = tmp_path / "log"
    run(journal, spec(tmp_path / "video.mp4", chunks=3, log=log))
    segments = sorted((journal.folder / "artifacts" / "segments").glob("*/*.mp4"))
    whole = segments[1].read_bytes()
    segments[1].unlink()
    segments[1].write_bytes(whole[:-100] + bytes(byte ^ 255 for byte in whole[-100:]))
    events: list[RenderEvent] = []
    run(journal, spec(tmp_path / "again.mp4", chunks=3, log=log), events)
    assert images(tmp_path / "again.mp4") == expected(15)
    assert len(succeeded(log)) == 4
    assert next(event.message for event in events if event.event == "warning-issued").endswith(
        "Helios renders it again"
    )


def test_processes_of_a_killed_runner_are_killed_with_its_job(journal: Journal, tmp_path: Path) -> None:
    plain = json.loads(spec(tmp_path / "video.mp4", chunks=1).model_dump_json())
    plain["commands"]["chunks"][0] |= {"command": "sleep", "args": ["600"], "env": {"PATH": os.environ["PATH"]}}
    for verb in ("cancel", "delete"):
        job = Job.submit(journal, JobSpec.parse(json.dumps(plain), "the job"))

        def sleeping(name: str = job.id) -> list[psutil.Process]:
            found = psutil.process_iter(["name", "cwd"])
            return [one for one in found if one.info["name"] == "sleep" and f"/{name}/" in str(one.info["cwd"])]

        wait_until(sleeping, "the command")
        (runner,) = [one for one in psutil.process_iter(["cmdline"]) if job.id in (one.info["cmdline"] or ())]
        runner.kill()
        wait_until(lambda job=job: not job.status().alive, "the runner's end")
        assert sleeping()
        asyncio.run(getattr(job, verb)())
        wait_until(lambda sleeping=sleeping: not [one for one in sleeping() if alive(one)], "the command's end")
        assert not (journal.folder / "work" / job.id).exists()


def test_chunks_of_a_job_that_can_be_resumed_are_not_pruned(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, gate = tmp_path / "log", tmp_path / "gate"
    paused = json.loads(spec(tmp_path / "video.mp4", chunks=3, log=log, workers=1).model_dump_json())
    last = paused["commands"]["chunks"][2]["args"]
    last[1] = f"[ -e {gate} ] || exit 3; {last[1]}"
    job = journal.create(JobSpec.parse(json.dumps({**paused, "attempts": 1}), "the job"))
    with pytest.raises(ChunkFailed):
        run(journal, job)
    monkeypatch.setenv("HELIOS_KEEP_GB", "0")
    run(journal, spec(tmp_path / "other.mp4", chunks=2))
    gate.touch()
    video = run(journal, job)
    assert (video.cached_chunks, sorted(succeeded(log))) == (2, [0, 1, 2])


def test_chunks_are_merged_by_a_command_where_there_is_one(journal: Journal, tmp_path: Path) -> None:
    merge = {
        "command": "sh",
        "args": ["-c", "ls *.mp4 > video.txt; cat segments.txt >> video.txt"],
        "output": "video.txt",
    }
    plain = spec(tmp_path / "video.txt", chunks=2)
    job = json.loads(plain.model_dump_json())
    job["commands"]["merge"] = merge
    run(journal, JobSpec.parse(json.dumps(job), "the job"))
    assert (tmp_path / "video.txt").read_text() == (
        "000000.mp4\n000001.mp4\nffconcat version 1.0\nfile 000000.mp4\nfile 000001.mp4\n"
    )


def failing(output: Path, script: str, **more: object) -> JobSpec:
    """A job of 4 chunks, of which the third is a script."""
    job = json.loads(spec(output, chunks=4, **more).model_dump_json())  # pyright: ignore[reportArgumentType]
    job["commands"]["chunks"][2] |= {"command": "sh", "args": ["-c", script]}
    return JobSpec.parse(json.dumps(job), "the job")


def test_after_a_failed_chunk_the_others_stay_and_the_error_says_what_to_do(journal: Journal, tmp_path: Path) -> None:
    log = tmp_path / "log"
    mended = tmp_path / "mended"
    command = spec(tmp_path / "video.mp4", chunks=4).commands
    assert command
    script = f"test -e {mended} || {{ echo broken >&2; exit 3; }}; exec {command.chunks[2].job(tmp_path)}"
    job = journal.create(failing(tmp_path / "video.mp4", script, workers=1, log=log, attempts=2))
    with pytest.raises(ChunkFailed, match=r"chunk 2 .* 2 attempts.* exit code 3; its last lines:\n  broken"):
        run(journal, job)
    status = journal.status(job)
    assert (status.state, status.code, status.alive) == ("failed", "chunk-failed", False)
    assert "broken" in (status.error or "")
    assert succeeded(log) == [0, 1, 3]
    assert not (tmp_path / "video.mp4").exists()
    mended.touch()
    video = run(journal, job)
    assert (video.cached_chunks, video.attempts) == (3, 1)
    assert succeeded(log) == [0, 1, 3]
    assert images(tmp_path / "video.mp4") == expected(20)
    assert journal.status(job).state == "done"


def test_a_missing_command_is_not_tried_again(journal: Journal, tmp_path: Path) -> None:
    job = json.loads(spec(tmp_path / "video.mp4").model_dump_json())
    job["commands"]["chunks"][0]["command"] = "no-such-command"
    with pytest.raises(CommandNotFound, match="no-such-command"):
        run(journal, JobSpec.parse(json.dumps(job), "the job"))


def test_a_command_that_writes_no_output_has_failed(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(ChunkFailed, match=r"wrote no segment.mp4"):
        run(journal, failing(tmp_path / "video.mp4", "true", attempts=1))


def test_a_job_is_run_by_one_process_at_a_time(journal: Journal, tmp_path: Path) -> None:
    job = journal.create(spec(tmp_path / "video.mp4"))
    with journal.running(job), pytest.raises(UsageError, match="being run by another process"):
        run(Journal(), job)


# From other processes.


def slow(output: Path, gate: Path, log: Path) -> JobSpec:
    """A job whose third chunk waits until there is a file."""
    command = spec(output, chunks=4).commands
    assert command
    script = f"while ! test -e {gate}; do sleep 0.02; done; exec {command.chunks[2].job(output)}"
    return failing(output, script, log=log)


def test_a_submitted_job_outlives_the_process_that_submitted_it(tmp_path: Path) -> None:
    gate, log = tmp_path / "gate", tmp_path / "log"
    (tmp_path / "job.json").write_text(slow(tmp_path / "video.mp4", gate, log).model_dump_json())
    done = subprocess.run(
        [sys.executable, "-m", "helios", "job", "submit", "job.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    journal = Journal()
    job = Job(journal, journal.find(done.stdout.strip()))
    wait_until(lambda: job.status().chunks == 3, "the commits of the others", 60)
    assert job.status().alive
    with pytest.raises(UsageError, match="is running"):
        job.resume()
    gate.touch()
    video = asyncio.run(job.result())
    assert video.frames == 20
    assert images(tmp_path / "video.mp4") == expected(20)
    assert job.status().state == "done"


@pytest.mark.parametrize(("step", "state"), [("pause", "paused"), ("cancel", "cancelled")])
def test_a_job_is_stopped_and_resumed(step: str, state: str, tmp_path: Path) -> None:
    gate, log = tmp_path / "gate", tmp_path / "log"
    journal = Journal()
    job = Job.submit(journal, slow(tmp_path / "video.mp4", gate, log))
    wait_until(lambda: job.status().chunks == 3, "the commits of the others", 60)
    asyncio.run(getattr(job, step)())
    assert (job.status().state, job.status().alive) == (state, False)
    assert not (tmp_path / "video.mp4").exists()
    assert list(journal.folder.glob("work/*")) == []
    assert not named(1, str(gate)), "no process is left"
    with pytest.raises(JobStopped, match=f"is {state}: helios job resume"):
        asyncio.run(job.result())
    gate.touch()
    job.resume()
    video = asyncio.run(job.result())
    assert (video.cached_chunks, video.attempts) == (3, 1)
    assert images(tmp_path / "video.mp4") == expected(20)
    assert sorted(succeeded(log)) == [0, 1, 3]


def test_waiting_for_a_job_that_fails_raises(tmp_path: Path) -> None:
    job = Job.submit(Journal(), failing(tmp_path / "video.mp4", "exit 9", attempts=1))
    with pytest.raises(JobFailed, match="exit code 9") as caught:
        asyncio.run(job.result())
    assert (caught.value.job, caught.value.cause) == (job.id, "chunk-failed")


def test_deleting_a_job_deletes_its_chunks(tmp_path: Path) -> None:
    journal = Journal()
    job = Job.submit(journal, spec(tmp_path / "video.mp4"))
    asyncio.run(job.result())
    assert list((journal.folder / "artifacts" / "segments").glob("*/*.mp4"))
    asyncio.run(job.delete())
    assert list((journal.folder / "artifacts" / "segments").glob("*/*.mp4")) == []
    assert list((journal.folder / "artifacts" / "jobs").iterdir()) == []
    assert journal.statuses() == []
    assert (tmp_path / "video.mp4").exists()
    with pytest.raises(UsageError, match="deleted"):
        job.status()


def test_another_machine_continues_with_the_store_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, log = (tmp_path / "store").as_uri(), tmp_path / "log"
    mended = tmp_path / "mended"
    command = spec(tmp_path / "video.mp4", chunks=4).commands
    assert command
    script = f"test -e {mended} || exit 3; exec {command.chunks[2].job(tmp_path)}"
    here = Journal(tmp_path / "here")
    job = here.create(failing(tmp_path / "video.mp4", script, workers=1, log=log, attempts=1, store=store))
    with pytest.raises(ChunkFailed):
        run(here, job)
    mended.touch()
    there = Journal(tmp_path / "there")
    adopted = asyncio.run(Job.adopt(there, job, store))
    video = run(there, adopted.id)
    assert (video.cached_chunks, video.attempts) == (2, 2)
    assert succeeded(log) == [0, 1, 3]
    assert images(tmp_path / "video.mp4") == expected(20)


def test_a_page_is_a_job_too(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("""<!doctype html><body style="margin:0"><i id=box style="display:block;width:40px;height:40px;
        background:#284"></i><script>helios.seek = (s) => (box.style.marginLeft = `${Math.round(s * 90)}px`);</script>""")

    async def work() -> None:
        job = await helios.submit(
            page, tmp_path / "video.mp4", width=320, height=180, frames=20, chunk_frames=5, workers=2
        )
        kinds = [event.event async for event in job.events()]
        assert kinds.count("chunk-finished") == 4
        assert (await job.result()).frames == 20
        again = await helios.render(
            page, tmp_path / "again.mp4", width=320, height=180, frames=20, chunk_frames=5, workers=2
        )
        assert (again.cached_chunks, again.attempts) == (4, 0)
        page.write_text(page.read_text() + " ")
        changed = await helios.render(
            page, tmp_path / "c.mp4", width=320, height=180, frames=20, chunk_frames=5, workers=2
        )
        assert (changed.cached_chunks, changed.attempts) == (0, 4)
        assert changed.hashes == again.hashes

    asyncio.run(work())


@pytest.mark.parametrize("number", [34, 35, 50, 64, 9])
def test_the_error_names_the_signal_that_killed_a_command(number: int, journal: Journal, tmp_path: Path) -> None:
    plain = json.loads(spec(tmp_path / "video.mp4", chunks=1, attempts=1).model_dump_json())
    plain["commands"]["chunks"][0] |= {"command": "sh", "args": ["-c", f"kill -{number} $$"]}
    with pytest.raises(ChunkFailed, match=r"was killed by (SIG\w+|signal \d+)"):
        run(journal, JobSpec.parse(json.dumps(plain), "the job"))


def test_processes_of_a_killed_runner_are_killed_also_where_the_state_folder_is_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "state").symlink_to("real")
    monkeypatch.setenv("HELIOS_STATE", str(tmp_path / "state"))
    plain = json.loads(spec(tmp_path / "video.mp4", chunks=1).model_dump_json())
    plain["commands"]["chunks"][0] |= {"command": "sleep", "args": ["600"], "env": {"PATH": os.environ["PATH"]}}
    (tmp_path / "job.json").write_text(json.dumps(plain))
    command = [sys.executable, "-m", "helios", "job", "run", str(tmp_path / "job.json"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as runner:
        wait_until(lambda: named(runner.pid, "sleep", "600"), "the command", 60)
        (sleeping,) = named(runner.pid, "sleep", "600")
        runner.kill()
    journal = Journal()
    (status,) = journal.statuses()
    assert alive(sleeping)
    asyncio.run(Job(journal, status.id).cancel())
    wait_until(lambda: not alive(sleeping), "the command's end")


def test_sighup_stops_a_job_and_its_commands(tmp_path: Path) -> None:
    plain = json.loads(spec(tmp_path / "video.mp4", chunks=1).model_dump_json())
    plain["commands"]["chunks"][0] |= {"command": "sleep", "args": ["600"], "env": {"PATH": os.environ["PATH"]}}
    (tmp_path / "job.json").write_text(json.dumps(plain))
    command = [sys.executable, "-m", "helios", "job", "run", str(tmp_path / "job.json"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as runner:
        wait_until(lambda: named(runner.pid, "sleep", "600"), "the command", 60)
        (sleeping,) = named(runner.pid, "sleep", "600")
        runner.send_signal(signal.SIGHUP)
        message = runner.communicate(timeout=60)[1]
    assert runner.returncode == 128 + signal.SIGHUP, message
    wait_until(lambda: not alive(sleeping), "the command's end")
    (status,) = Journal().statuses()
    assert status.state == "paused"
