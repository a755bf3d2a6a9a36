"""The verbs of `import helios`."""

import asyncio
import os
from fractions import Fraction
from pathlib import Path

import pytest

import helios
from support.processes import named
from support.videos import assert_exact

PAGE = """<!doctype html><meta name=helios content="width=320, height=180, fps=25, duration=0.4">
<style>@keyframes k{to{margin-left:200px}}p{animation:k 1s}</style><p id=p></p>
<script>p.textContent = JSON.stringify(helios.props)</script>"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text(PAGE)
    return tmp_path


def test_a_video_is_what_the_page_says_of_itself(page: Path) -> None:
    video = asyncio.run(helios.render(page, page / "a.mp4"))
    assert (video.frames, video.duration, video.output) == (10, 0.4, page / "a.mp4")
    assert_exact(page / "a.mp4", 10, Fraction(25))


def test_options_win_over_the_page(page: Path) -> None:
    video = helios.render_sync(page / "index.html", page / "a.mp4", fps="30000/1001", frames=4, width=160)
    assert video.frames == 4
    assert_exact(page / "a.mp4", 4, Fraction(30000, 1001))


def test_a_range_has_the_frames_of_the_whole_video(page: Path) -> None:
    whole = helios.render_sync(page, page / "a.mp4")
    part = helios.render_sync(page, page / "b.mp4", frame_range="3:7")
    assert part.hashes == whole.hashes[3:7]
    assert_exact(page / "b.mp4", 4, Fraction(25))


def test_props_reach_the_page(page: Path) -> None:
    videos = [
        helios.render_sync(page, page / "a.mp4", frames=1, props=props) for props in (None, {"n": "</script>"}, [1])
    ]
    assert len({video.hashes for video in videos}) == 3


def test_events_tell_the_whole_story(page: Path) -> None:
    async def run() -> list[helios.RenderEvent]:
        return [event async for event in helios.render_events(page, page / "a.mp4", chunk_frames=5, workers=2)]

    events = asyncio.run(run())
    kinds = [event.event for event in events]
    assert (kinds[0], kinds[-2:]) == ("render-planned", ["stitch-started", "render-finished"])
    assert kinds.count("chunk-started") == kinds.count("chunk-finished") == 2
    progress = [event for event in events if event.event == "chunk-progressed"]
    assert {event.chunk for event in progress if event.frames == 5} == {0, 1}


def test_leaving_the_events_early_stops_the_render(page: Path) -> None:
    async def run() -> None:
        events = helios.render_events(page, page / "out" / "a.mp4", frames=5000)
        async for event in events:
            if event.event == "chunk-progressed":
                break
        await events.aclose()  # type: ignore[attr-defined]

    (page / "out").mkdir()
    asyncio.run(run())
    assert named(os.getpid(), "helios.renderer") == []
    assert list((page / "out").iterdir()) == []


def test_a_failure_is_raised_from_the_events_too(page: Path) -> None:
    async def run() -> None:
        async for _ in helios.render_events(page, page / "none" / "a.mp4"):
            pass

    with pytest.raises(helios.OutputError, match="none"):
        asyncio.run(run())


def test_the_old_video_stays_where_a_new_one_fails(page: Path) -> None:
    (page / "a.mp4").write_text("old")
    with pytest.raises(helios.UsageError):
        helios.render_sync(page, page / "a.mp4", frame_range="9:99")
    assert (page / "a.mp4").read_text() == "old"
    helios.render_sync(page, page / "a.mp4", frames=2)
    assert_exact(page / "a.mp4", 2, Fraction(25))


@pytest.mark.parametrize(
    ("codec", "suffix"), [("h265", ".mp4"), ("vp9", ".webm"), ("av1", ".mp4"), ("prores", ".mov"), ("h264", ".mkv")]
)
def test_codecs_and_containers_join_exactly(codec: str, suffix: str, page: Path) -> None:
    output = page / f"video{suffix}"
    helios.render_sync(page, output, frames=9, chunk_frames=3, codec=codec)
    if suffix in (".webm", ".mkv"):  # their clock ticks in milliseconds
        from support.videos import frame_times

        assert [round(time * 1000) for time in frame_times(output)] == [40 * k for k in range(9)]
    else:
        assert_exact(output, 9, Fraction(25))


def test_what_is_drawn_again_is_drawn_in_the_parts_of_before(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def parts(paying: int, **options: object) -> tuple[int, int]:
        monkeypatch.setattr("helios.orchestrator.plan.paying_workers", lambda frames, costs: paying)
        events: list[helios.RenderEvent] = []
        video = helios.render_sync(page, page / "a.mp4", frames=40, on_event=events.append, **options)  # type: ignore[arg-type]
        (planned,) = [event for event in events if event.event == "render-planned"]
        return planned.chunks, video.cached_chunks

    assert parts(2) == (2, 0)
    assert parts(1) == (2, 2), "whatever is measured now"
    assert parts(1, crf=30) == (1, 0), "but another video is another"
    assert parts(1, workers=4) == (4, 0), "and who says how gets that"
