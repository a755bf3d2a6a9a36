"""Every page in examples/ makes the video that it should."""

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import helios
from support.videos import assert_exact, frame_pixels

EXAMPLES = Path(__file__).parent.parent / "examples"
PAGES = sorted(path.parent for path in EXAMPLES.glob("*/index.html"))
LEAST_COLOURS = 500


def test_there_are_examples() -> None:
    assert {"aurora", "chart", "captions"} <= {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_an_example_makes_exactly_the_frames_asked_for(page: Path, tmp_path: Path) -> None:
    warnings: list[str] = []

    def note(event: helios.RenderEvent) -> None:
        if event.event == "warning-issued":
            warnings.append(event.message)

    video = tmp_path / "video.mp4"
    made = helios.render_sync(page, video, frame_range="90:93", workers=1, preset="ultrafast", on_event=note)
    assert warnings == []
    assert made.frames == 3
    assert len(set(made.hashes)) == 3, "the page moves"
    assert_exact(video, 3, Fraction(declared(page, "fps")))
    pixels = frame_pixels(video, 1)
    assert pixels.shape[:2] == (declared(page, "height"), declared(page, "width"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > LEAST_COLOURS, "the image is not blank"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_an_example_is_the_same_in_parts(page: Path, tmp_path: Path) -> None:
    def hashes(chunk_frames: int) -> tuple[str, ...]:
        events: list[helios.RenderEvent] = []
        made = helios.render_sync(
            page, tmp_path / "video.mp4", width=640, height=360, frame_range="40:52",
            chunk_frames=chunk_frames, workers=2, preset="ultrafast", fresh=True, on_event=events.append,
        )  # fmt: skip
        assert [event.chunks for event in events if event.event == "render-planned"] == [12 // chunk_frames]
        return made.hashes

    assert hashes(4) == hashes(12)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_an_example_needs_no_network(page: Path) -> None:
    for path in page.iterdir():
        addresses = re.findall(r"https?://[^\s\"')]+", path.read_text("utf-8"))
        assert [address for address in addresses if not address.startswith("http://www.w3.org/")] == []


def test_the_chart_shows_the_data_it_is_given(tmp_path: Path) -> None:
    def hashes(props: object) -> tuple[str, ...]:
        video = tmp_path / "video.mp4"
        chart = EXAMPLES / "chart"
        made = helios.render_sync(chart, video, props=props, frame_range="150:151", workers=1, preset="ultrafast")
        return made.hashes

    assert hashes(None) != hashes({"bars": [1, 2], "labels": ["a", "b"]})


def declared(page: Path, name: str) -> int:
    found = re.search(rf'<meta name="helios" content="[^"]*\b{name}=(\d+)', (page / "index.html").read_text("utf-8"))
    assert found, f"{page.name} declares no {name}"
    return int(found[1])
