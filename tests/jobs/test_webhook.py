"""Webhooks: delivered in order, signed as Standard Webhooks define, and never in the way of the job."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import helios
from helios.errors import ChunkFailed, JobStopped, UsageError
from helios.jobs import JobSpec, Journal, webhook
from helios.jobs.runner import run_job
from helios.orchestrator import RenderEvent, WarningIssued
from support.commands import spec

Deliveries = list[tuple[dict[str, str], bytes]]


@contextmanager
def listening(statuses: list[int]) -> Generator[tuple[str, Deliveries]]:
    """Yields the address of a server, and its deliveries. It answers with ``statuses`` in order, then with 204."""
    deliveries: Deliveries = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            deliveries.append(({name.lower(): value for name, value in self.headers.items()}, body))
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
        yield f"http://127.0.0.1:{server.server_port}/hook", deliveries
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def run(job: JobSpec) -> str:
    journal = Journal()
    name = journal.create(job)
    asyncio.run(run_job(journal, name))
    return name


def read(deliveries: Deliveries) -> list[dict[str, Any]]:
    return [json.loads(body) for _, body in deliveries]


def test_messages_are_delivered_in_order(tmp_path: Path) -> None:
    with listening([]) as (address, deliveries):
        name = run(spec(tmp_path / "video.mp4", chunks=2, webhook=address))
    messages = read(deliveries)
    assert [message["type"] for message in messages] == ["job.started", "job.done"]
    assert all(datetime.fromisoformat(message["timestamp"]).tzinfo for message in messages)
    assert messages[0]["data"] == {"job": name}
    assert messages[1]["data"]["output"] == str(tmp_path / "video.mp4")
    assert messages[1]["data"]["frames"] == 10
    assert "webhook-signature" not in deliveries[0][0]


def test_the_signature_is_the_one_of_standard_webhooks() -> None:
    """The example of the project's own libraries: https://github.com/standard-webhooks/standard-webhooks/tree/main/libraries"""
    headers = webhook.webhook_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("prefix", ["whsec_", ""])
def test_messages_are_signed_with_the_secret(prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = b"a secret of at least 24 bytes"
    monkeypatch.setenv("HELIOS_WEBHOOK_SECRET", prefix + base64.b64encode(key).decode())
    with listening([]) as (address, deliveries):
        run(spec(tmp_path / "video.mp4", chunks=1, webhook=address))
    assert len(deliveries) == 2
    for headers, body in deliveries:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"


def test_a_secret_that_is_not_base64_is_refused_before_the_job_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELIOS_WEBHOOK_SECRET", "our secret!")
    journal = Journal()
    name = journal.create(spec(tmp_path / "video.mp4", chunks=1, webhook="http://127.0.0.1:9/"))
    with pytest.raises(UsageError, match="HELIOS_WEBHOOK_SECRET must be base64") as caught:
        asyncio.run(run_job(journal, name))
    assert "our secret" not in str(caught.value)
    assert journal.status(name).state == "queued"


def test_a_message_keeps_its_id_when_it_is_sent_again(tmp_path: Path) -> None:
    with listening([500, 503]) as (address, deliveries):
        run(spec(tmp_path / "video.mp4", chunks=1, webhook=address))
    assert [message["type"] for message in read(deliveries)] == ["job.started"] * 3 + ["job.done"]
    ids = [headers["webhook-id"] for headers, _ in deliveries]
    assert (len(set(ids[:3])), len(set(ids))) == (1, 2)


def test_a_failure_is_delivered(tmp_path: Path) -> None:
    with listening([]) as (address, deliveries):
        job = json.loads(spec(tmp_path / "video.mp4", webhook=address, attempts=1).model_dump_json())
        job["commands"]["chunks"][1]["args"] = ["-nonsense"]
        with pytest.raises(ChunkFailed):
            run(JobSpec.parse(json.dumps(job), "the job"))
    last = read(deliveries)[-1]
    assert (last["type"], last["data"]["code"]) == ("job.failed", "chunk-failed")


def test_an_address_that_does_not_answer_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "FINISH_TIMEOUT", 0.2)
    journal, events = Journal(), list[RenderEvent]()
    name = journal.create(spec(tmp_path / "video.mp4", chunks=1, webhook="http://127.0.0.1:9/secret-path"))
    asyncio.run(run_job(journal, name, events.append))
    assert (tmp_path / "video.mp4").exists()
    warnings = [event.message for event in events if isinstance(event, WarningIssued)]
    assert warnings[0].startswith("the webhook at http://127.0.0.1:9 failed and is tried again: ")
    assert "refused" in warnings[0]
    assert ["did not receive 'job.done'" in line for line in warnings].count(True) == 1
    stored = [event.message for _, _, event in journal.events(name) if isinstance(event, WarningIssued)]
    assert stored == warnings


@pytest.mark.parametrize(
    "address",
    ["no address", "ftp://127.0.0.1/", "http:///hook", "http://a b/", "example.com/hook", "http://a:99999/", ""],
)
def test_an_address_that_is_no_url_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="webhook") as caught:
        spec(tmp_path / "video.mp4", chunks=1, webhook=address)
    assert "https://example.com/hook" in str(caught.value)
    with pytest.raises(UsageError, match=r"a webhook is an address such as https://example\.com/hook"):
        asyncio.run(helios.render(tmp_path / "page.html", tmp_path / "a.mp4", webhook=address))


def test_a_message_is_sent_again_after_an_answer_that_is_not_http(tmp_path: Path) -> None:
    with listening([0, 0]) as (address, deliveries):
        run(spec(tmp_path / "video.mp4", chunks=1, webhook=address))
    assert [message["type"] for message in read(deliveries)] == ["job.started"] * 3 + ["job.done"]


def test_a_job_that_is_cancelled_does_not_wait_for_deliveries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "FINISH_TIMEOUT", 600)
    job = json.loads(spec(tmp_path / "video.mp4", chunks=1, webhook="http://127.0.0.1:9/").model_dump_json())
    job["commands"]["chunks"][0] |= {"command": "sleep", "args": ["600"], "env": {"PATH": os.environ["PATH"]}}
    journal = Journal()
    name = journal.create(JobSpec.parse(json.dumps(job), "the job"))

    async def work() -> None:
        async with asyncio.timeout(60):
            running = asyncio.create_task(run_job(journal, name))
            while journal.status(name).state != "running":  # noqa: ASYNC110 - another task changes it
                await asyncio.sleep(0.01)
            journal.request(name, "cancel")
            with pytest.raises(JobStopped):
                await running

    asyncio.run(work())
