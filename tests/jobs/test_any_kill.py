"""Whatever is killed, whenever: the job can be gone on with, nothing that is committed is made twice, the video is right."""

import multiprocessing
import os
import random
import sys
import time
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
RUNNERS = multiprocessing.get_context("forkserver")
"""Most of a runner's time would be imports, which a process does once of which all are forked."""
RUNNERS.set_forkserver_preload(["av", "helios.jobs.__main__", "psutil", "pytest"])


def run(folder: str, job: str) -> None:
    sys.argv = ["helios.jobs", folder, job]
    sys.exit(main())


def logged(output: Path, log: Path) -> JobSpec:
    """A job whose commands say that they begin, and take a while."""
    job = spec(output, chunks=CHUNKS, frames=FRAMES)
    assert job.commands
    chunks = [
        command.model_copy(
            update={"command": "sh", "args": ("-c", f'echo {k} >> {log}; sleep 0.05; exec "$@"', "sh", command.command, *command.args)}
        )
        for k, command in enumerate(job.commands.chunks)
    ]  # fmt: skip
    return job.model_copy(
        update={"commands": job.commands.model_copy(update={"chunks": tuple(chunks)}), "attempts": 1000}
    )


def committed(journal: Journal, job: JobSpec) -> set[int]:
    """The chunks whose records are in the store."""
    folder = journal.folder / "artifacts"
    return {
        part.index
        for part in job.plan.parts
        if list((folder / (place := job.plan.cache_key(part)).folder).glob(f"{place.name}.*.json"))
    }


def kill(victim: str, runner: ForkServerProcess, luck: random.Random) -> None:
    assert runner.pid
    below = descendants(runner.pid)
    if victim in ("runner", "both"):
        runner.kill()
    victims: list[psutil.Process] = []
    if victim == "both":
        victims += below
    elif victim == "worker" and below:
        victims.append(luck.choice(below))
    for process in victims:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


@pytest.mark.parametrize("seed", range(4))
def test_a_job_survives_any_kill(seed: int, tmp_path: Path) -> None:
    luck = random.Random(seed)
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
        runner.join(luck.uniform(0, 0.6) * (1 if kills < KILLS // 4 else 100))
        if runner.is_alive():
            kill(luck.choice(VICTIMS), runner, luck)
            kills += 1
            if luck.random() < 0.3:  # and once more, in whatever it does about it
                time.sleep(luck.uniform(0, 0.3))
                kill(luck.choice(VICTIMS), runner, luck)
            kill("runner", runner, luck)
        runner.join()
        started = {int(line) for line in log.read_text().split()}
        assert not started & before, "what was committed was made again"
        assert committed(journal, job) >= before, "what was committed is still there"
        if runner.exitcode == 0:
            videos += 1
            assert images(output) == expected(CHUNKS * FRAMES)
            assert journal.status(name).state == "done"
            assert list(journal.folder.glob("work/*")) == []
            output.unlink()
            job = logged(output, tmp_path / f"log{videos}")
            log = tmp_path / f"log{videos}"
            name = journal.create(job)  # another command in every chunk: all is to be made
        else:
            assert not output.exists() or images(output) == expected(CHUNKS * FRAMES), "never half a video"
