"""The worker's HTTP door: one job at a time, with events, for callers with a token."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from helios.errors import UsageError, WorkerLost
from helios.release import __version__
from helios.storage import ArtifactStore
from helios.worker import WorkerJob
from helios.worker.message import HeartbeatEvent, JobFinished, OutputLine, Payload, worker_event
from helios.worker.runtime import Worker
from helios.worker.service import LARGEST, WorkerApp
from helios.worker.tokens import local_verifier
from support.google_identity import ACCOUNT, Google, google
from support.http_worker import Served, served
from support.processes import alive, descendants, wait_until

SHELL = "/bin/sh"


@pytest.fixture(scope="module")
def open_worker() -> Generator[Served]:
    with served("--behind-iam", HELIOS_COMMANDS=SHELL) as worker:
        yield worker


def payload(tmp_path: Path, script: str, **more: Any) -> Payload:
    job = WorkerJob(SHELL, ("-c", script), **more)
    return Payload.of(job, release=__version__, store=ArtifactStore.at(tmp_path / "store").url)


def send(worker: Served, message: Payload | dict[str, Any], **headers: str) -> httpx.Response:
    body = message.model_dump(mode="json") if isinstance(message, Payload) else message
    return httpx.post(f"{worker.url}/jobs", json=body, headers=headers, timeout=30)


def events(answer: httpx.Response) -> list[OutputLine | HeartbeatEvent | JobFinished]:
    return [worker_event.validate_json(line) for line in answer.text.splitlines()]


def test_a_job_streams_its_lines_and_its_result_comes_last(open_worker: Served, tmp_path: Path) -> None:
    script = "echo openjd_progress: 50; cat in; echo made > out; sleep 1.2; echo oops >&2; exit 0"
    answer = send(open_worker, payload(tmp_path, script, inputs={"in": b"sent\n"}, outputs={"out": "x/out"}))
    assert answer.headers["content-type"] == "application/x-ndjson"
    *before, last = events(answer)
    assert [event.line for event in before if isinstance(event, OutputLine)] == ["openjd_progress: 50", "sent"]
    assert any(isinstance(event, HeartbeatEvent) for event in before), "it lives, though it says nothing"
    assert isinstance(last, JobFinished)
    result = last.response.result()
    assert (result.exit_code, result.stderr) == (0, "oops\n")
    assert asyncio.run(ArtifactStore.at(tmp_path / "store").get("x/out")) == b"made\n"


def test_lines_come_as_soon_as_they_are_said(open_worker: Served, tmp_path: Path) -> None:
    go = tmp_path / "go"
    body = payload(tmp_path, f"echo first; until [ -e {go} ]; do sleep 0.01; done; echo second")
    with httpx.stream("POST", f"{open_worker.url}/jobs", json=body.model_dump(mode="json"), timeout=30) as answer:
        lines = answer.iter_lines()
        assert worker_event.validate_json(next(lines)) == OutputLine(line="first")
        go.touch()
        rest = [worker_event.validate_json(line) for line in lines]
    assert OutputLine(line="second") in rest


def test_a_second_job_is_too_many_and_health_says_so(open_worker: Served, tmp_path: Path) -> None:
    go = tmp_path / "go"
    body = payload(tmp_path, f"echo started; until [ -e {go} ]; do sleep 0.01; done").model_dump(mode="json")
    with httpx.stream("POST", f"{open_worker.url}/jobs", json=body, timeout=30) as answer:
        lines = answer.iter_lines()
        assert worker_event.validate_json(next(lines)) == OutputLine(line="started")
        assert httpx.get(f"{open_worker.url}/healthz").json()["busy"] is True
        second = send(open_worker, body)
        assert (second.status_code, second.json()["detail"]) == (429, "the worker has a job already")
        go.touch()
        assert isinstance([worker_event.validate_json(line) for line in lines][-1], JobFinished)
    assert send(open_worker, payload(tmp_path, "true")).status_code == 200


def test_a_caller_who_goes_away_ends_the_job_with_all_its_processes(open_worker: Served, tmp_path: Path) -> None:
    body = payload(tmp_path, "sleep 600 & sleep 600 & echo started; wait").model_dump(mode="json")
    with httpx.stream("POST", f"{open_worker.url}/jobs", json=body, timeout=30) as answer:
        lines = answer.iter_lines()
        assert worker_event.validate_json(next(lines)) == OutputLine(line="started")
        below = descendants(open_worker.process.pid)
        assert len(below) == 3
    wait_until(lambda: not any(alive(process) for process in below), "the end of the job", 10)
    wait_until(lambda: not httpx.get(f"{open_worker.url}/healthz").json()["busy"], "a free worker", 10)


def test_sigterm_ends_the_job_tells_its_caller_and_the_worker_is_gone(tmp_path: Path) -> None:
    with served("--behind-iam", HELIOS_COMMANDS=SHELL) as worker:
        body = payload(tmp_path, "trap '' TERM; echo started; sleep 600").model_dump(mode="json")
        with httpx.stream("POST", f"{worker.url}/jobs", json=body, timeout=30) as answer:
            lines = answer.iter_lines()
            assert worker_event.validate_json(next(lines)) == OutputLine(line="started")
            below = descendants(worker.process.pid)
            started = time.monotonic()
            worker.process.send_signal(signal.SIGTERM)
            last = [worker_event.validate_json(line) for line in lines][-1]
        assert isinstance(last, JobFinished)
        with pytest.raises(WorkerLost, match="shut down"):
            last.response.result()
        assert worker.process.wait(10) is not None
        assert time.monotonic() - started < 10
        assert not any(alive(process) for process in below)


def refused(message: Payload, **changes: object) -> dict[str, Any]:
    return message.model_dump(mode="json") | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"release": "0.0.1"}, "the job is of Helios 0.0.1: deploy that version"),
        ({"version": 2}, "can't read this job"),
        ({"command": "/bin/rm"}, "not '/bin/rm': to allow it"),
        ({"inputs": {"../x": ""}}, "no path inside"),
        ({"args": "not a list"}, "args"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_the_worker_does_not_run_is_refused_before_it_begins(
    changes: dict[str, object], message: str, open_worker: Served, tmp_path: Path
) -> None:
    answer = send(open_worker, refused(payload(tmp_path, "true"), **changes))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert message in answer.json()["detail"]


def test_bodies_that_are_no_jobs_are_refused(open_worker: Served) -> None:
    url = f"{open_worker.url}/jobs"
    kind = {"content-type": "application/json"}
    answers = [
        httpx.post(url, content=b"{", headers=kind),
        httpx.post(url, content=b"\xff", headers=kind),
        httpx.post(url, content=b"[]", headers=kind),
        httpx.post(url, content=b"{}", headers={"content-type": "text/plain"}),
        httpx.post(url, content=b"{}"),
        httpx.post(url, content=b" " * (LARGEST + 1), headers=kind),
        httpx.get(url),
        httpx.get(f"{open_worker.url}/etc/passwd"),
    ]
    assert [answer.status_code for answer in answers] == [400, 400, 422, 415, 415, 413, 405, 404]
    for answer in answers:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
        assert "Traceback" not in answer.text
        assert "/" + "site-packages" not in answer.text


@pytest.fixture(scope="module")
def signer() -> Generator[Google]:
    with google() as found:
        yield found


@pytest.mark.parametrize("secured", [False, True])
def test_the_openapi_document_is_right(secured: bool, signer: Google, tmp_path: Path) -> None:
    """Schemathesis sends what the document allows and what it does not, and looks whether the answers are as it says."""
    verifier = {
        "HELIOS_AUDIENCE": "https://worker.example",
        "HELIOS_CALLERS": ACCOUNT,
        "HELIOS_CERTIFICATES": f"{signer.url}/certs",
    }
    token = ["-H", f"Authorization: Bearer {signer.token('https://worker.example')}"] if secured else []
    store = f"file://{tmp_path}/store"
    with served(*([] if secured else ["--behind-iam"]), **(verifier if secured else {}), HELIOS_STORE=store) as worker:
        command = [
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{worker.url}/openapi.json", *token,
            "--phases", "coverage" if secured else "examples,coverage,fuzzing", "--max-examples", "20", "--seed", "1",
            "--no-color",
        ]  # fmt: skip
        with (tmp_path / "report").open("wb") as file:
            code = psutil.Popen(command, stdout=file, stderr=file, cwd=tmp_path).wait(300)
        assert code == 0, (tmp_path / "report").read_text("utf-8")


@pytest.fixture(scope="module")
def checking(signer: Google) -> Generator[Served]:
    with served(
        HELIOS_AUDIENCE="https://worker.example",
        HELIOS_CALLERS=f"other@example.com, {ACCOUNT.upper()}",
        HELIOS_CERTIFICATES=f"{signer.url}/certs",
        HELIOS_COMMANDS=SHELL,
    ) as worker:
        yield worker


def test_a_caller_with_a_token_of_its_own_is_let_in(checking: Served, signer: Google, tmp_path: Path) -> None:
    token = signer.token("https://worker.example")
    assert send(checking, payload(tmp_path, "true"), authorization=f"Bearer {token}").status_code == 200
    asked = signer.asked.count("/certs")
    assert send(checking, payload(tmp_path, "true"), authorization=f"Bearer {token}").status_code == 200
    assert signer.asked.count("/certs") == asked, "certificates are kept"


def test_nobody_else_is(checking: Served, signer: Google, tmp_path: Path) -> None:
    audience = "https://worker.example"
    now = int(time.time())
    with google() as uses_external_resources:
        tokens = {
            "none": "",
            "empty": "Bearer",
            "basic": "Basic dTpw",
            "nonsense": "Bearer x.y.z",
            "uses_external_resources": f"Bearer {uses_external_resources.token(audience)}",
            "expired": f"Bearer {signer.token(audience, iat=now - 7200, exp=now - 3600)}",
            "not yet": f"Bearer {signer.token(audience, iat=now + 3600, exp=now + 7200)}",
            "of another service": f"Bearer {signer.token('https://other.example')}",
            "of another issuer": f"Bearer {signer.token(audience, iss='https://evil.example')}",
            "tampered": f"Bearer {signer.token(audience)[:-4]}AAAA",
        }
        for name, token in tokens.items():
            answer = send(checking, payload(tmp_path, "true"), authorization=token)
            assert answer.status_code == 401, name
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.headers["content-type"] == "application/problem+json"
    for claims in ({"email": "stranger@example.com"}, {"email_verified": False}, {"email": None}):
        token = signer.token(audience, **claims)
        answer = send(checking, payload(tmp_path, "true"), authorization=f"Bearer {token}")
        assert (answer.status_code, "may not send jobs" in answer.json()["detail"]) == (403, True), claims


def test_without_googles_certificates_nobody_is_let_in_and_nobody_turned_away(signer: Google, tmp_path: Path) -> None:
    with served(
        HELIOS_AUDIENCE="https://worker.example",
        HELIOS_CALLERS=ACCOUNT,
        HELIOS_CERTIFICATES="http://127.0.0.1:9/certs",
        HELIOS_COMMANDS=SHELL,
    ) as worker:
        token = signer.token("https://worker.example")
        answer = send(worker, payload(tmp_path, "true"), authorization=f"Bearer {token}")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "Google's certificates can't be had" in answer.json()["detail"]


def test_a_worker_is_never_open_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match="callers would not be authenticated"), served():
        pass
    monkeypatch.setenv("HELIOS_AUDIENCE", "https://worker.example")
    with pytest.raises(UsageError, match="go together"):
        local_verifier()


def test_a_command_waits_for_a_caller_who_reads_slowly(tmp_path: Path) -> None:
    line, done = "x" * 1000, tmp_path / "done"
    script = f"i=0; while [ $i -lt 20000 ]; do echo $i {line}; i=$((i + 1)); done; touch {done}"

    async def work() -> None:
        worker = Worker(tmp_path / "worker", release=__version__, commands={SHELL: (SHELL,)}, cache=0)
        lines: list[str] = []
        event = None
        async with contextlib.aclosing(WorkerApp(worker, None).run(payload(tmp_path, script))) as news:
            async for event in news:
                if isinstance(event, OutputLine):
                    lines.append(event.line.partition(" ")[0])
                if len(lines) == 2000:
                    for _ in range(1000):  # time in which an unbounded queue takes all that the command writes
                        await asyncio.sleep(0.001)
                        assert not done.exists()
        assert lines == [str(k) for k in range(20_000)]
        assert isinstance(event, JobFinished)
        assert event.response.exit_code == 0

    asyncio.run(work())
