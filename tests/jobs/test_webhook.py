"""Whoever wants to know what becomes of a job is told, signed, and can't hinder it."""

import asyncio
import hashlib
import hmac
import json
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import helios
from helios.errors import ChunkFailed, JobStopped, UsageError
from helios.jobs import JobSpec, Journal, webhook
from helios.jobs.runner import run_job
from helios.orchestrator import RenderEvent, WarningIssued
from support.commands import spec

Told = list[tuple[dict[str, str], bytes]]


@contextmanager
def listening(statuses: list[int]) -> Generator[tuple[str, Told]]:
    """An address that answers with these statuses, one after the other, and then with 204; and what it was told."""
    told: Told = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.append((dict(self.headers), body))
            status = statuses.pop(0) if statuses else 204
            if not status:
                self.wfile.write(b"garbage garbage\r\n\r\n")
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def run(job: JobSpec) -> str:
    journal = Journal()
    name = journal.add(job)
    asyncio.run(run_job(journal, name))
    return name


def test_what_becomes_of_a_job_is_told_in_order(tmp_path: Path) -> None:
    with listening([]) as (address, told):
        name = run(spec(tmp_path / "video.mp4", chunks=2, webhook=address))
    bodies = [json.loads(body) for _, body in told]
    assert [(body["job"], body["event"]) for body in bodies] == [(name, "started"), (name, "done")]
    assert bodies[1]["output"] == str(tmp_path / "video.mp4")
    assert bodies[1]["frames"] == 10
    assert "Helios-Signature" not in told[0][0]


def test_what_is_told_is_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOS_WEBHOOK_SECRET", "our secret")
    with listening([]) as (address, told):
        run(spec(tmp_path / "video.mp4", chunks=1, webhook=address))
    for headers, body in told:
        parts = dict(part.split("=") for part in headers["Helios-Signature"].split(","))
        expected = hmac.new(b"our secret", f"{parts['t']}.".encode() + body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(parts["v1"], expected)


def test_an_address_that_fails_is_told_again(tmp_path: Path) -> None:
    with listening([500, 503]) as (address, told):
        run(spec(tmp_path / "video.mp4", chunks=1, webhook=address))
    assert [json.loads(body)["event"] for _, body in told] == ["started"] * 3 + ["done"]


def test_a_failure_is_told(tmp_path: Path) -> None:
    with listening([]) as (address, told):
        job = json.loads(spec(tmp_path / "video.mp4", webhook=address, attempts=1).model_dump_json())
        job["commands"]["chunks"][1]["args"] = ["-nonsense"]
        with pytest.raises(ChunkFailed):
            run(JobSpec.parse(json.dumps(job), "the job"))
    last = json.loads(told[-1][1])
    assert (last["event"], last["code"]) == ("failed", "chunk-failed")


def test_an_address_that_is_not_there_hinders_nothing_and_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "PATIENCE", 0.2)
    address = "http://127.0.0.1:9/none"
    journal, events = Journal(), list[RenderEvent]()
    name = journal.add(spec(tmp_path / "video.mp4", chunks=1, webhook=address))
    asyncio.run(run_job(journal, name, events.append))
    assert (tmp_path / "video.mp4").exists()
    warned = [event.message for event in events if isinstance(event, WarningIssued)]
    assert warned[0].startswith(f"the webhook {address} fails, and is tried again: ")
    assert "refused" in warned[0]
    assert [f"{address} did not get the event 'done'" in line for line in warned].count(True) == 1
    kept = [event.message for _, _, event in journal.events(name) if isinstance(event, WarningIssued)]
    assert kept == warned


@pytest.mark.parametrize(
    "address",
    ["no address", "ftp://127.0.0.1/", "http:///hook", "http://a b/", "example.com/hook", "http://a:99999/", ""],
)
def test_what_is_no_address_is_refused_at_once(address: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="webhook") as caught:
        spec(tmp_path / "video.mp4", chunks=1, webhook=address)
    assert "https://example.com/hook" in str(caught.value)
    with pytest.raises(UsageError, match=r"a webhook is an address such as https://example\.com/hook"):
        asyncio.run(helios.render(tmp_path / "page.html", tmp_path / "a.mp4", webhook=address))


def test_an_answer_that_is_no_http_is_asked_for_again(tmp_path: Path) -> None:
    with listening([0, 0]) as (address, told):
        run(spec(tmp_path / "video.mp4", chunks=1, webhook=address))
    assert [json.loads(body)["event"] for _, body in told] == ["started", "started", "started", "done"]


def test_whoever_stops_a_job_does_not_wait_for_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "PATIENCE", 600)
    job = json.loads(spec(tmp_path / "video.mp4", chunks=1, webhook="http://127.0.0.1:9/").model_dump_json())
    job["commands"]["chunks"][0] |= {"command": "sleep", "args": ["600"], "env": {"PATH": os.environ["PATH"]}}
    journal = Journal()
    name = journal.add(JobSpec.parse(json.dumps(job), "the job"))

    async def work() -> None:
        async with asyncio.timeout(60):
            running = asyncio.create_task(run_job(journal, name))
            while journal.status(name).state != "running":  # noqa: ASYNC110 - it is another task's
                await asyncio.sleep(0.01)
            journal.want(name, "cancel")
            with pytest.raises(JobStopped):
                await running

    asyncio.run(work())
