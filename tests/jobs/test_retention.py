"""The journal stores the newest jobs, and the cache as many chunks as its limit allows."""

import json
import multiprocessing
import time
from pathlib import Path

import pytest

from helios.jobs import Journal, retention
from helios.jobs.retention import delete_old_jobs, prune_cache
from support.commands import spec


def finished(journal: Journal, step: str = "finish") -> str:
    job = journal.create(spec(Path("video.mp4"), chunks=1))
    journal.transition(job, "start")
    journal.transition(job, step)  # type: ignore[arg-type]
    with journal.running(job):
        pass
    journal.log_path(job).write_text("message")
    return job


def ids(journal: Journal) -> set[str]:
    return {status.id for status in journal.statuses()}


def test_the_journal_deletes_jobs_that_finished_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal()
    old = [finished(journal, step) for step in ("finish", "fail", "cancel")]
    waiting, paused = journal.create(spec(Path("video.mp4"))), journal.create(spec(Path("video.mp4")))
    journal.transition(paused, "pause")
    alive = finished(journal)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 31 * 86_400)
    new = finished(journal)
    with journal.running(alive):
        delete_old_jobs(journal)
    assert ids(journal) == {waiting, paused, alive, new}
    for job in old:
        assert not list(journal.folder.glob(f"{job}.*"))


def test_the_journal_stores_a_limited_number_of_finished_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MAX_FINISHED_JOBS", 3)
    journal = Journal()
    waiting = journal.create(spec(Path("video.mp4")))
    jobs = [finished(journal) for _ in range(6)]
    delete_old_jobs(journal)
    assert ids(journal) == {waiting, *jobs[3:]}


def test_the_journals_file_shrinks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MAX_FINISHED_JOBS", 3)
    journal = Journal()
    for _ in range(60):
        job = json.loads(spec(Path("video.mp4"), chunks=30).model_dump_json())
        name = journal.create(type(spec(Path("video.mp4"))).parse(json.dumps(job), "the job"))
        journal.transition(name, "start")
        journal.transition(name, "finish")
    journal.close()
    file = journal.folder / "jobs.sqlite"
    before = file.stat().st_size
    journal = Journal()
    delete_old_jobs(journal)
    journal.close()
    assert file.stat().st_size < before / 2


def _prune_often(folder: Path, barrier: object) -> None:
    for _ in range(30):
        barrier.wait(60)  # type: ignore[attr-defined]
        prune_cache(folder)
        barrier.wait(60)  # type: ignore[attr-defined]


def test_processes_may_prune_in_parallel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOS_KEEP_GB", "0.0000001")
    folder = Journal().folder
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    processes = [context.Process(target=_prune_often, args=(folder, barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for turn in range(30):
        for k in range(30):
            place = folder / "artifacts" / "segments" / f"place-{turn}-{k}"
            place.mkdir(parents=True)
            (place / "chunk.job-1.mp4").write_bytes(bytes(100))
            (place / "chunk.digest.json").write_text("{}")
            (place / "inputs-1.json").write_text("{}")
        barrier.wait(60)
        barrier.wait(60)
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]


def test_pruning_continues_where_files_vanish(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when another process deletes a job."""
    monkeypatch.setenv("HELIOS_KEEP_GB", "0")
    folder = Journal().folder
    for k in range(3):
        place = folder / "artifacts" / "segments" / f"place-{k}"
        place.mkdir(parents=True)
        (place / "chunk.job-1.mp4").write_bytes(bytes(100))
    (folder / "artifacts" / "segments" / "place-1" / "gone.job-1.mp4").symlink_to("nowhere")
    prune_cache(folder)
    assert not list(folder.glob("artifacts/segments/*/chunk.*"))
