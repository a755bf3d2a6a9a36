"""A video by instances of Cloud Run, and by several places at once: the frames are those of this machine."""

import asyncio
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

import helios
from helios.storage import ArtifactStore
from support.balancer import CloudRunFront, cloud_run
from support.clouds import SETTINGS
from support.gcs_server import gcs_server
from support.google_identity import ACCOUNT, google
from support.http_worker import served
from support.lambda_front import lambda_front
from support.motoserver import moto_server
from support.videos import assert_exact

STORE = "gs://videos/mine"
LAMBDA_STORE = "s3://videos/mine"
PAGE = """<!doctype html><link rel=stylesheet href=deep/style.css>
<p id=p>a</p><script>helios.seek = (s) => (p.textContent = s.toFixed(3), p.style.left = 40 * s + 'px');</script>"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[CloudRunFront, Callable[[], None]]]:
    """A service and a bucket, and what gives it an instance more, which looks at ID tokens too."""
    with ExitStack() as stack:
        stack.enter_context(gcs_server("videos"))
        signer = stack.enter_context(google())
        key = signer.key_file(tmp_path_factory.mktemp("google") / "key.json")
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        found = stack.enter_context(cloud_run([], signer))
        checks = {
            "HELIOS_AUDIENCE": found.url,
            "HELIOS_CALLERS": ACCOUNT,
            "HELIOS_CERTIFICATES": f"{signer.url}/certs",
            "HELIOS_STORE": STORE,
        }
        yield found, lambda: found.workers.append(stack.enter_context(served(**checks)))


@pytest.fixture
def front(service: tuple[CloudRunFront, Callable[[], None]]) -> CloudRunFront:
    """The service with three instances, as if nothing had happened there yet."""
    found, start = service

    async def empty() -> None:
        store = ArtifactStore.at(STORE)
        await store.delete(await store.sizes(""))

    found.forget()
    asyncio.run(empty())
    while len(found.workers) < 3:
        start()
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    (folder / "deep").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "deep" / "style.css").write_text("p { position: absolute; font: 40px sans-serif; color: teal }")
    return folder


@pytest.fixture(scope="module")
def here(page: Path, tmp_path_factory: pytest.TempPathFactory) -> helios.RenderResult:
    """What this machine draws."""
    return render(page, tmp_path_factory.mktemp("here") / "here.mp4", [])


def render(page: Path, output: Path, events: list[helios.RenderEvent], **more: object) -> helios.RenderResult:
    options = {"width": 320, "height": 180, "frames": 36, "chunk_frames": 6, "preset": "ultrafast", **more}
    return helios.render_sync(page, output, **{"on_event": events.append, **options})  # type: ignore[arg-type]


def committed() -> list[str]:
    keys = asyncio.run(ArtifactStore.at(STORE).sizes("segments"))
    return [key for key in keys if key.endswith(".json") and "/inputs-" not in key]


def damage() -> None:
    """Changes a segment where it is kept."""

    async def work() -> None:
        store = ArtifactStore.at(STORE)
        segment = next(key for key in await store.sizes("segments") if key.endswith(".mp4"))
        found = await store.get(segment)
        await store.put(segment, bytes(len(found)))

    asyncio.run(work())


def failures(events: list[helios.RenderEvent]) -> set[str]:
    return {event.code for event in events if event.event == "chunk-attempt-failed"}


def test_instances_draw_the_frames_that_this_machine_draws(
    front: CloudRunFront, page: Path, here: helios.RenderResult, tmp_path: Path
) -> None:
    there = {"adapter": "gcp", "service": front.url, "store": STORE, "workers": 3}
    events: list[helios.RenderEvent] = []
    video = render(page, tmp_path / "there.mp4", events, **there)
    assert video.hashes == here.hashes
    assert len(set(video.hashes)) == 36
    assert_exact(tmp_path / "there.mp4", 36, Fraction(30))
    assert video.cost
    assert 6 * 4e-7 < video.cost < 0.05
    assert front.asked == 7, "a probe and six chunks"
    assert front.most > 1
    again = render(page, tmp_path / "again.mp4", events, **there)
    assert (again.hashes, again.cached_chunks, front.asked) == (here.hashes, 6, 8), "only the probe"
    joined = render(page, tmp_path / "joined.mp4", events, **there, stitch="remote")
    assert (joined.hashes, joined.cached_chunks, front.asked) == (here.hashes, 6, 10), "a probe, and what joins"
    assert (tmp_path / "joined.mp4").read_bytes() == (tmp_path / "again.mp4").read_bytes()
    damage()
    events.clear()
    mended = render(page, tmp_path / "mended.mp4", events, **there, stitch="remote")
    assert (mended.hashes, mended.cached_chunks) == (here.hashes, 5)
    warned = [event.message for event in events if event.event == "warning-issued"]
    assert "This machine joins the video instead" in warned[0]
    assert "Helios renders it again" in warned[1]
    assert len(warned) == 2
    assert (tmp_path / "mended.mp4").read_bytes() == (tmp_path / "again.mp4").read_bytes()


def test_instances_that_die_are_shut_down_or_are_all_taken_cost_attempts_and_no_frame(
    front: CloudRunFront, page: Path, here: helios.RenderResult, tmp_path: Path
) -> None:
    events: list[helios.RenderEvent] = []
    hit: dict[int, int] = {}

    def show(event: helios.RenderEvent) -> None:
        events.append(event)
        if event.event == "chunk-started" and event.chunk == 2 and event.attempt == 1:
            front.statuses.append(429)
        elif event.event == "chunk-progressed" and len(hit) < 2:
            busy = [one for one in front.busy() if one.process.pid not in hit]
            if busy:
                kill = psutil.Process(busy[0].process.pid)
                hit[kill.pid] = len(hit)
                (kill.terminate if len(hit) == 1 else kill.kill)()

    video = render(
        page, tmp_path / "there.mp4", events, on_event=show, adapter="gcp", service=front.url, store=STORE, workers=3,
    )  # fmt: skip
    assert video.hashes == here.hashes
    assert failures(events) >= {"throttled", "worker-lost"}
    assert len(hit) == 2
    finished = [event.chunk for event in events if event.event == "chunk-finished"]
    assert sorted(finished) == list(range(6)), "no chunk was drawn again that had been committed"
    assert len(committed()) == 6


def test_a_plan_measures_an_instance_and_says_what_they_cost(front: CloudRunFront, page: Path) -> None:
    found = asyncio.run(
        helios.estimate(
            page, adapter="gcp", service=front.url, store=STORE, width=320, height=180, frames=3000, counts=[1, 10]
        )
    )
    assert front.asked == 2, "a probe and some frames"
    assert found[0].seconds > found[1].seconds
    assert found[0].cost
    assert found[1].cost
    assert 0 < found[0].cost < found[1].cost


def test_this_machine_and_a_service_draw_from_one_queue(
    front: CloudRunFront, page: Path, here: helios.RenderResult, tmp_path: Path
) -> None:
    events: list[helios.RenderEvent] = []
    video = render(
        page, tmp_path / "mixed.mp4", events, adapter="local,gcp", service=front.url, store=STORE, workers=3,
    )  # fmt: skip
    assert video.hashes == here.hashes
    local = set(range(psutil.cpu_count() or 1))
    workers = Counter(event.worker in local for event in events if event.event == "chunk-finished")
    assert workers.keys() == {True, False}, "both have drawn"
    assert sum(workers.values()) == 6
    assert video.cost
    assert len(committed()) == 6


def test_a_chunk_that_failed_at_one_place_is_made_at_another(
    front: CloudRunFront, page: Path, here: helios.RenderResult, tmp_path: Path
) -> None:
    events: list[helios.RenderEvent] = []

    def show(event: helios.RenderEvent) -> None:
        events.append(event)
        if event.event == "render-planned":
            front.statuses = [500] * 1000

    video = render(
        page, tmp_path / "mixed.mp4", events, on_event=show, adapter="local,gcp", service=front.url, store=STORE,
        workers=3,
    )  # fmt: skip
    assert video.hashes == here.hashes
    assert failures(events) == {"worker-lost"}
    failed = Counter(event.chunk for event in events if event.event == "chunk-attempt-failed")
    assert set(failed.values()) == {1}, "the other place made it"


def test_a_place_that_lets_nobody_in_is_left_out(front: CloudRunFront, page: Path, tmp_path: Path) -> None:
    events: list[helios.RenderEvent] = []
    front.invokers = set()
    there = {"service": front.url, "store": STORE, "workers": 3}
    video = render(page, tmp_path / "mixed.mp4", events, adapter="local,gcp", **there)
    assert video.frames == 36
    (warned,) = [event.message for event in events if event.event == "warning-issued"]
    assert "gcp is no longer used for this job: " in warned
    assert "roles/run.invoker" in warned
    with pytest.raises(helios.HeliosError, match=r"roles/run\.invoker"):
        render(page, tmp_path / "alone.mp4", events, adapter="gcp", **there)


def test_two_clouds_and_this_machine_make_one_video(
    front: CloudRunFront, page: Path, here: helios.RenderResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each cloud keeps what it makes in its own store; what another has made is brought to the job's."""
    events: list[helios.RenderEvent] = []
    handler = "helios.worker.lambda_handler.handler"
    with moto_server() as url:
        for name, value in {**SETTINGS, "AWS_ENDPOINT_URL_S3": url}.items():
            monkeypatch.setenv(name, value)
        s3: Any = boto3.resource("s3")
        s3.create_bucket(Bucket="videos")
        env = {**SETTINGS, "AWS_ENDPOINT_URL_S3": url, "HELIOS_STORE": LAMBDA_STORE}
        with lambda_front(tmp_path / "front", handler, environments=2, timeout=60, env=env) as functions:
            monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", functions.url)
            video = render(
                page, tmp_path / "mixed.mp4", events, adapter="gcp,aws,local", function="helios", service=front.url,
                store=f"{STORE},{LAMBDA_STORE}", chunk_frames=4, workers=2,
            )  # fmt: skip
            assert video.hashes == here.hashes
            assert functions.invokes > 1
            assert front.asked > 1
    assert len(committed()) == 9
    assert video.cost
