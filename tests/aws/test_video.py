"""A video by a fleet: the page goes out as a bundle, its segments come back, and the frames are those of this machine."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path
from typing import Any

import boto3
import pytest

import helios
from helios.jobs import JobSpec, Journal
from helios.jobs.runner import run_job
from helios.storage import ArtifactStore
from support.clouds import SETTINGS
from support.commands import expected, images, spec
from support.lambda_front import LambdaFront, lambda_front
from support.motoserver import moto_server
from support.processes import wait_until
from support.tags import metadata
from support.videos import assert_exact

WORKER = "helios.worker.lambda_handler.handler"
STORE = "s3://videos/mine"
PAGE = """<!doctype html><link rel=stylesheet href=deep/style.css>
<p id=p>a</p><script>helios.seek = (s) => (p.textContent = s.toFixed(3), p.style.left = 40 * s + 'px');</script>"""


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Generator[LambdaFront]:
    """Three environments that reach S3 and nothing else of these tests."""
    with moto_server() as url, pytest.MonkeyPatch.context() as patch:
        env = {**SETTINGS, "AWS_ENDPOINT_URL_S3": url, "HELIOS_STORE": STORE, "HELIOS_COMMANDS": "ffmpeg"}
        for name, value in env.items():
            patch.setenv(name, value)
        folder = tmp_path_factory.mktemp("function")
        with lambda_front(folder / "front", WORKER, environments=3, timeout=25, env=env) as found:
            patch.setenv("AWS_ENDPOINT_URL_LAMBDA", found.url)
            yield found


@pytest.fixture
def front(function: LambdaFront) -> LambdaFront:
    """The function as if nothing had happened there yet, and an empty bucket."""
    wait_until(lambda: not function.under_way, "the end of what the last test has started", 60)
    function.forget()
    s3: Any = boto3.resource("s3")
    s3.create_bucket(Bucket="videos").objects.all().delete()
    return function


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    (folder / "deep").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "deep" / "style.css").write_text("p { position: absolute; font: 40px sans-serif; color: teal }")
    return folder


@pytest.fixture(scope="module")
def here(page: Path, tmp_path_factory: pytest.TempPathFactory) -> helios.RenderResult:
    """What this machine draws, fast."""
    return render(page, tmp_path_factory.mktemp("here") / "here.mp4", [])


def render(page: Path, output: Path, events: list[helios.RenderEvent], **more: object) -> helios.RenderResult:
    options = {"width": 320, "height": 180, "frames": 36, "chunk_frames": 6, "preset": "ultrafast", **more}
    return helios.render_sync(page, output, on_event=events.append, **options)  # type: ignore[arg-type]


def remote(page: Path, output: Path, events: list[helios.RenderEvent], **more: object) -> helios.RenderResult:
    return render(page, output, events, adapter="aws", function="helios", store=STORE, workers=3, **more)


def keys() -> list[str]:
    return list(asyncio.run(ArtifactStore.at(STORE).sizes("segments")))


def committed() -> list[str]:
    return [key for key in keys() if key.endswith(".json") and "/inputs-" not in key]


def reports() -> list[str]:
    return [key for key in keys() if key.endswith(".report")]


def test_a_fleet_draws_the_frames_that_this_machine_draws(
    front: LambdaFront, page: Path, here: helios.RenderResult, tmp_path: Path
) -> None:
    events: list[helios.RenderEvent] = []
    there = remote(page, tmp_path / "there.mp4", events)
    assert there.hashes == here.hashes
    assert len(set(there.hashes)) == 36
    assert_exact(tmp_path / "there.mp4", 36, Fraction(30))
    assert here.cost is None
    assert there.cost
    assert 6 * 2e-7 < there.cost < 0.05
    assert front.invokes == 7, "a probe and six chunks"
    assert front.most > 1
    again = remote(page, tmp_path / "again.mp4", events)
    assert (again.hashes, again.cached_chunks, front.invokes) == (here.hashes, 6, 8), "only the probe"
    joined = remote(page, tmp_path / "joined.mp4", events, stitch="remote")
    assert (joined.hashes, joined.cached_chunks, front.invokes) == (here.hashes, 6, 10), "a probe, and what joins"
    assert (tmp_path / "joined.mp4").read_bytes() == (tmp_path / "again.mp4").read_bytes()
    assert asyncio.run(ArtifactStore.at(STORE).sizes("videos")) == {}
    message = remote(page, tmp_path / "said.mp4", events, stitch="remote", metadata={"title": "Hello"})
    assert (message.hashes, message.cached_chunks, front.invokes) == (here.hashes, 6, 12)
    assert metadata(tmp_path / "said.mp4")["title"] == "Hello"


def test_a_page_that_was_changed_is_drawn_anew(front: LambdaFront, page: Path, tmp_path: Path) -> None:
    mine = tmp_path / "page"
    shutil.copytree(page, mine)

    def two_chunks() -> helios.RenderResult:
        return remote(mine, tmp_path / "video.mp4", [], frame_range="0:12", capture="faithful")

    first, again = two_chunks(), two_chunks()
    assert (first.cached_chunks, again.cached_chunks, again.hashes) == (0, 2, first.hashes)
    assert first.hashes == render(mine, tmp_path / "a.mp4", [], frame_range="0:12", capture="faithful").hashes
    (mine / "deep" / "style.css").write_text("p { color: red }")
    changed = two_chunks()
    assert (changed.cached_chunks, changed.hashes == first.hashes) == (0, False)
    assert front.invokes == 3 + 4


def test_environments_that_die_or_hang_and_throttling_cost_attempts_and_no_frame(
    front: LambdaFront, page: Path, here: helios.RenderResult, tmp_path: Path
) -> None:
    events: list[helios.RenderEvent] = []
    hit: list[int] = []

    def show(event: helios.RenderEvent) -> None:
        events.append(event)
        if event.event == "chunk-started" and event.chunk == 2 and event.attempt == 1:
            front.to_throttle = 1
        elif len(hit) < 2 and (busy := [number for number in front.busy() if number not in hit]):
            if hit:
                front.environments[busy[0]].stop()
            else:
                front.kill(busy[0])
            hit.append(busy[0])

    there = helios.render_sync(
        page, tmp_path / "there.mp4", on_event=show, adapter="aws", function="helios", store=STORE, workers=3,
        ready_timeout=5, width=320, height=180, frames=36, chunk_frames=6, preset="ultrafast",
    )  # fmt: skip
    assert there.hashes == here.hashes
    codes = {event.code for event in events if event.event == "chunk-attempt-failed"}
    assert codes >= {"throttled", "worker-lost"}
    assert len(hit) == 2
    finished = [event.chunk for event in events if event.event == "chunk-finished"]
    assert sorted(finished) == list(range(6)), "no chunk was drawn again that had been committed"
    assert len(committed()) == 6


def test_a_plan_measures_workers_and_says_what_they_cost(front: LambdaFront, page: Path) -> None:
    found = asyncio.run(
        helios.estimate(
            page, adapter="aws", function="helios", store=STORE, width=320, height=180, frames=3000, counts=[1, 10, 100]
        )
    )
    assert front.invokes == 2, "a probe and some frames"
    assert [one.chunks for one in found] == [5, 10, 100]
    assert found[0].seconds > found[1].seconds > found[2].seconds
    assert found[0].cost
    assert found[2].cost
    assert 0 < found[0].cost < found[2].cost, "each worker's start is paid for"


def test_what_workers_make_while_nobody_waits_is_taken_by_the_next_who_asks(
    front: LambdaFront, page: Path, here: helios.RenderResult, tmp_path: Path
) -> None:
    path = tmp_path / "job.json"
    options = {"width": 320, "height": 180, "frames": 36, "chunk_frames": 6, "preset": "ultrafast", "workers": 3}
    job = asyncio.run(
        helios.create_job(page, tmp_path / "video.mp4", adapter="aws", function="helios", store=STORE, **options)  # type: ignore[arg-type]
    )
    path.write_text(job.model_dump_json())
    command = [sys.executable, "-m", "helios", "job", "run", str(path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout
        for line in runner.stdout:
            if json.loads(line)["event"] == "chunk-progressed":
                runner.kill()
                break
    wait_until(lambda: not front.under_way, "the workers", 60)
    made = len(reports())
    assert made == 3
    assert committed() == []
    invokes = front.invokes
    journal = Journal()
    status, *_ = journal.statuses()
    video = asyncio.run(run_job(journal, status.id))
    assert (video.cached_chunks, video.attempts, front.invokes - invokes) == (3, 3, 3)
    assert video.hashes == here.hashes
    journal.close()


def test_a_batch_by_a_fleet_makes_the_videos_of_this_machine_and_keeps_them(
    front: LambdaFront, page: Path, tmp_path: Path
) -> None:
    (page / "index.html").write_text(f"{PAGE}<script>p.title = helios.props.id; if (p.title === 'b') none()</script>")
    rows = [{"id": name} for name in "abcd"]
    events: list[helios.BatchEvent] = []

    def run() -> list[str]:
        results = helios.batch_sync(
            page, rows, f"{tmp_path}/{{id}}.mp4", on_event=events.append, adapter="aws", function="helios",
            store=STORE, workers=2, width=320, height=180, frames=6, preset="ultrafast",
        )  # fmt: skip
        return [result.outcome for result in results]

    assert run() == ["rendered", "failed", "rendered", "rendered"]
    assert front.invokes == 3, "a probe, and two groups"
    made = {event.row: event for event in events if event.event == "video-rendered"}
    here = render(page, tmp_path / "here.mp4", [], frames=6, props=rows[3])
    assert made[4].hashes == here.hashes
    assert_exact(tmp_path / "d.mp4", 6, Fraction(30))
    assert events[-1].event == "batch-finished"
    assert events[-1].cost
    assert run() == ["cached", "failed", "cached", "cached"]


def test_commands_that_are_not_ours_are_distributed_too(front: LambdaFront, tmp_path: Path) -> None:
    job = json.loads(spec(tmp_path / "video.mp4", chunks=6, frames=5, workers=3).model_dump_json())
    (tmp_path / "words.txt").write_text("of no use")
    for chunk in job["commands"]["chunks"]:
        chunk |= {"command": "ffmpeg", "inputs": [str(tmp_path / "words.txt")]}
    job |= {"targets": [{"kind": "aws", "function": "helios", "store": STORE}], "store": STORE}
    journal = Journal()
    video = asyncio.run(run_job(journal, journal.create(JobSpec.parse(json.dumps(job), "the job"))))
    journal.close()
    assert (video.frames, front.invokes) == (30, 6)
    assert images(tmp_path / "video.mp4") == expected(30)
    assert {list(payload["inputs"]) == ["words.txt"] for payload in front.payloads} == {True}  # type: ignore[call-overload]
