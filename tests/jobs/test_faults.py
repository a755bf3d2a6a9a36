"""The video is exact under all injected failures."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from helios.adapters.faults import Faults
from helios.errors import HeliosError, UsageError
from helios.jobs import Journal
from helios.jobs.runner import run_job
from helios.orchestrator import ChunkAttemptFailed, RenderEvent
from support.commands import expected, images, spec

ALL = "kill=0.1,slow=4x@0.05,throttle=0.2,corrupt=0.02"


def test_faults_are_read() -> None:
    assert Faults.parse(ALL) == Faults(kill=0.1, slow=0.05, slowness=4, throttle=0.2, corrupt=0.02)
    assert Faults.parse("store=.5,seed=7") == Faults(store=0.5, seed=7)


@pytest.mark.parametrize(
    "text",
    ["kill", "kill=2", "slow=0.1", "slow=1..2x@0.5", "slow=0x@1", "slow=0.5x@1", "maim=0.1", "kill=-1", "seed=x"],
)
def test_an_unknown_fault_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no fault: say kill=0\.1"):
        Faults.parse(text)


def test_a_job_of_200_chunks_is_exact_under_all_faults(tmp_path: Path) -> None:
    journal = Journal()
    events: list[RenderEvent] = []
    job = journal.create(spec(tmp_path / "video.mp4", chunks=200, frames=2, workers=4, attempts=20))
    video = asyncio.run(run_job(journal, job, events.append, inject=f"{ALL},seed=1"))
    assert images(tmp_path / "video.mp4") == expected(400)
    codes = [event.code for event in events if isinstance(event, ChunkAttemptFailed)]
    assert {"throttled", "command-failed", "damaged"} <= set(codes), "all faults were injected"
    assert codes.count("throttled") >= 20
    assert video.attempts == 200 + len(codes)


@pytest.mark.parametrize("fault", ["kill=1", "throttle=1", "corrupt=1", "store=1"])
def test_each_fault_is_a_real_one(fault: str, tmp_path: Path) -> None:
    journal = Journal()
    events: list[RenderEvent] = []
    job = journal.create(spec(tmp_path / "video.mp4", chunks=1, frames=30_000, attempts=1))

    async def work() -> None:
        async with asyncio.timeout(5 if fault == "throttle=1" else 60):
            await run_job(journal, job, events.append, inject=f"{fault},seed=2")

    with pytest.raises((Exception, asyncio.CancelledError)) as caught:
        asyncio.run(work())
    message = {
        "kill=1": "killed by SIGKILL",
        "throttle=1": "",
        "corrupt=1": "not what its worker wrote",
        "store=1": "injected",
    }[fault]
    assert message in str(caught.value)
    assert not (tmp_path / "video.mp4").exists()


def test_a_job_is_exact_with_a_store_that_often_fails(tmp_path: Path) -> None:
    journal = Journal()
    job = journal.create(spec(tmp_path / "video.mp4", chunks=10, workers=4, attempts=20))
    asyncio.run(run_job(journal, job, inject="store=0.3,seed=4"))
    assert images(tmp_path / "video.mp4") == expected(50)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_job_whose_disk_was_full_can_be_resumed(tmp_path: Path) -> None:
    small, log = tmp_path / "small", tmp_path / "log"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], check=True)
    try:
        journal = Journal(small)
        job = journal.create(spec(tmp_path / "video.mp4", chunks=10, frames=5, workers=1, attempts=1, log=log))
        filler = small / "filler"
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(small).free - 120_000)
        with pytest.raises(HeliosError):
            asyncio.run(run_job(journal, job))
        before = [int(line) for line in log.read_text().split()]
        assert 0 < len(before) < 10
        filler.unlink()
        video = asyncio.run(run_job(journal, job))
        assert video.cached_chunks >= len(before) - 1, "at most the last could not be stored"
        assert images(tmp_path / "video.mp4") == expected(50)
        journal.close()
    finally:
        subprocess.run(["umount", "--lazy", small], check=True)
