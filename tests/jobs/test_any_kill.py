"""A job survives a kill at any event: it resumes, renders no committed chunk again, and its video is exact."""

import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psutil
import pytest

from helios.jobs import JobSpec, Journal
from helios.jobs.__main__ import main
from support.commands import expected, images, spec
from support.processes import descendants

KILLS = int(os.environ.get("HELIOS_KILLS", "200"))
CHUNKS, FRAMES = 10, 2
VICTIMS = ("runner", "worker", "both")
EVENTS = ("spawned", "running", "command", "commit", "video")
RUNNERS = multiprocessing.get_context("forkserver")
"""Most of a runner's time would be imports: the fork server has done them already."""
RUNNERS.set_forkserver_preload(["av", "helios.jobs.__main__", "psutil", "pytest"])


def run(folder: str, job: str) -> None:
    sys.argv = ["helios.jobs", folder, job]
    sys.exit(main())


def logged(output: Path, log: Path) -> JobSpec:
    """A job whose commands add their numbers to ``log`` when they start."""
    job = spec(output, chunks=CHUNKS, frames=FRAMES)
    assert job.commands
    chunks = [
        command.model_copy(
            update={"command": "sh", "args": ("-c", f'echo {k} >> {log}; exec "$@"', "sh", command.command, *command.args)}
        )
        for k, command in enumerate(job.commands.chunks)
    ]  # fmt: skip
    return job.model_copy(
        update={"commands": job.commands.model_copy(update={"chunks": tuple(chunks)}), "attempts": 1000}
    )


def started(log: Path) -> list[int]:
    """The chunks whose commands have started."""
    return [int(line) for line in log.read_text().split()]


def committed(journal: Journal, job: JobSpec) -> set[int]:
    """The chunks whose records are in the store."""
    folder = journal.folder / "artifacts"
    return {
        part.index
        for part in job.plan.parts
        if list((folder / (place := job.plan.cache_key(part)).folder).glob(f"{place.name}.*.json"))
    }


def await_event(runner: ForkServerProcess, condition: Callable[[], bool]) -> None:
    """Returns when the condition holds or the runner has exited."""
    while runner.is_alive() and not condition():
        time.sleep(0.001)


def kill(victim: str, runner: ForkServerProcess, chance: random.Random) -> None:
    assert runner.pid
    below = descendants(runner.pid)
    if victim in ("runner", "both"):
        runner.kill()
    victims: list[psutil.Process] = []
    if victim == "both":
        victims += below
    elif victim == "worker" and below:
        victims.append(chance.choice(below))
    for process in victims:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


@pytest.mark.parametrize("seed", range(4))
def test_a_job_survives_any_kill(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    journal = Journal()
    log, output = tmp_path / "log", tmp_path / "video.mp4"
    job = logged(output, log)
    name = journal.create(job)
    videos = kills = 0
    while kills < KILLS // 4 or videos == 0:
        before = committed(journal, job)
        log.write_text("")
        runner = RUNNERS.Process(target=run, args=(str(journal.folder), name))
        runner.start()
        count = chance.randint(1, CHUNKS - len(before) + 1)  # one more than possible: this run may finish
        conditions: dict[str, Callable[[], bool]] = {
            "spawned": lambda: True,
            "running": lambda name=name: journal.status(name).alive,
            "command": lambda log=log, count=count: len(started(log)) >= count,
            "commit": lambda job=job, before=before, count=count: len(committed(journal, job) - before) >= count,
            "video": output.exists,
        }
        if kills < KILLS // 4:
            await_event(runner, conditions[chance.choice(EVENTS)])
        else:
            runner.join()
        if runner.is_alive():
            kill(chance.choice(VICTIMS), runner, chance)
            kills += 1
            if chance.random() < 0.3:  # and once more, when the next command starts
                count = len(started(log)) + 1
                await_event(runner, lambda log=log, count=count: len(started(log)) >= count)
                kill(chance.choice(VICTIMS), runner, chance)
            kill("runner", runner, chance)
        runner.join()
        assert not set(started(log)) & before, "a committed chunk was rendered again"
        assert committed(journal, job) >= before, "a committed chunk is gone"
        if runner.exitcode == 0:
            videos += 1
            assert images(output) == expected(CHUNKS * FRAMES)
            assert journal.status(name).state == "done"
            assert list(journal.folder.glob("work/*")) == []
            output.unlink()
            log = tmp_path / f"log{videos}"
            job = logged(output, log)  # the log's name is in every command: no chunk is in the cache
            name = journal.create(job)
        else:
            assert not output.exists() or images(output) == expected(CHUNKS * FRAMES), "the video is whole or not there"
