"""The report of a job, opened in a browser."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from helios.composition import Source
from helios.errors import ChunkFailed
from helios.jobs import JobSpec, Journal
from helios.jobs.report import write_report
from helios.jobs.runner import run_job
from helios.renderer.browser.browser import open_page
from helios.stitcher.binary import find_ffmpeg
from support.commands import spec


def evaluate(report: Path, expression: str, workspace: Path) -> Any:
    """The value of an expression in the page."""

    async def work() -> Any:
        async with open_page(Source.parse(report), (1280, 1000), "begin-frame", workspace / "browser") as page:
            assert page.uses_external_resources is False
            assert set(page.used) <= {report.name, "favicon.ico"}, "it needs no other file"
            assert page.warnings == []
            return await page.evaluate(expression)

    return asyncio.run(work())


SUMMARY = """(() => {
  const seen = (element) => { const { width, height } = element.getBoundingClientRect(); return width > 0 && height > 0 };
  const all = (selector) => [...document.querySelectorAll(selector)].filter(seen);
  return {
    title: document.title,
    stats: Object.fromEntries(all("dt").map((name) => [name.textContent, name.nextElementSibling.textContent])),
    done: all("#gantt .done").length,
    failed: all("#gantt .failed").length,
    workers: all("#gantt text").filter((text) => text.textContent.startsWith("worker")).length,
    rates: document.querySelector("#rates polyline")?.points.length,
    images: all(".video img").map((image) => [image.naturalWidth, image.naturalHeight]),
    reasons: all("pre").map((text) => text.textContent),
  };
})()"""


@pytest.fixture
def journal() -> Journal:
    return Journal()


def test_a_report_shows_the_attempts_and_the_video(journal: Journal, tmp_path: Path) -> None:
    job = journal.create(spec(tmp_path / "video.mp4", chunks=8, frames=30))
    asyncio.run(run_job(journal, job, inject="kill=0.5,seed=5"))
    report = tmp_path / "report" / "report.html"
    report.parent.mkdir()
    write_report(journal, job, report)
    summary = evaluate(report, SUMMARY, tmp_path)
    assert summary["title"] == f"video.mp4: job {job}"
    assert summary["stats"]["State"] == "done"
    assert summary["stats"]["Frames"] == "240 of 240"
    assert summary["stats"]["Chunks"] == "8 of 8"
    assert summary["done"] == 8
    assert summary["failed"] == len(summary["reasons"])
    assert summary["workers"] == 2
    assert summary["rates"] == 50
    assert summary["images"] == [[240, 180]] * 24
    assert list(report.parent.iterdir()) == [report]


def test_a_report_of_a_failed_job_names_the_failures(journal: Journal, tmp_path: Path) -> None:
    plain = json.loads(spec(tmp_path / "<video>.mp4", chunks=3, workers=1, attempts=2).model_dump_json())
    plain["commands"]["chunks"][1] |= {"command": "sh", "args": ["-c", "echo '<b>broken</b>' >&2; exit 3"]}
    job = journal.create(JobSpec.parse(json.dumps(plain), "the job"))
    with pytest.raises(ChunkFailed):
        asyncio.run(run_job(journal, job))
    report = tmp_path / "report.html"
    write_report(journal, job, report)
    summary = evaluate(report, SUMMARY, tmp_path)
    assert summary["title"] == f"<video>.mp4: job {job}"
    assert summary["stats"]["State"] == "failed"
    assert (summary["done"], summary["failed"]) == (2, 2)
    assert len(summary["reasons"]) == 2
    assert all("exit code 3; its last lines:\n  <b>broken</b>" in reason for reason in summary["reasons"])
    assert summary["images"] == []


def test_a_report_of_a_queued_job_can_be_written(journal: Journal, tmp_path: Path) -> None:
    job = journal.create(spec(tmp_path / "video.mp4"))
    write_report(journal, job, tmp_path / "report.html")
    summary = evaluate(tmp_path / "report.html", SUMMARY, tmp_path)
    assert summary["stats"]["State"] == "queued"
    assert (summary["done"], summary["failed"]) == (0, 0)


@pytest.mark.parametrize(
    ("command", "args", "message"),
    [
        (str(find_ffmpeg()), ["-f", "lavfi", "-i", "sine=duration=1", "out.mp3"], "has no video"),
        ("truncate", ["-s", "1000", "out.bin"], "can't be read"),
    ],
)
def test_a_report_of_an_output_without_video_says_so(
    command: str, args: list[str], message: str, journal: Journal, tmp_path: Path
) -> None:
    plain = json.loads(spec(tmp_path / args[-1], chunks=1).model_dump_json())
    plain["commands"]["merge"] = {"command": command, "args": args, "output": args[-1]}
    job = journal.create(JobSpec.parse(json.dumps(plain), "the job"))
    asyncio.run(run_job(journal, job))
    report = tmp_path / "report.html"
    write_report(journal, job, report)
    assert f"{args[-1]} {message}" in report.read_text()
    assert evaluate(report, SUMMARY, tmp_path)["images"] == []
