"""Invocations of a real Lambda runtime: what comes of them, and every way in which they fail."""

import asyncio
import os
import ssl
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from helios.adapters.aws.adapter import AwsLambdaAdapter, open_lambda
from helios.adapters.aws.errors import aws_errors
from helios.errors import (
    AccessDenied,
    HeliosError,
    OutOfMemory,
    OutputError,
    Throttled,
    UsageError,
    WorkerError,
    WorkerLost,
    WorkerRefused,
    WorkerTimeout,
)
from helios.storage import ArtifactStore
from helios.storage.objects import RefusedError
from helios.storage.obstores import ObstoreObjects
from helios.worker import WorkerJob, WorkerResult
from support.clouds import SETTINGS
from support.lambda_front import LambdaFront, lambda_front
from support.processes import wait_until


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore.at(tmp_path / "store")


def run(
    front: LambdaFront, store: ArtifactStore, job: WorkerJob | None = None, function: str = "helios", **more: Any
) -> WorkerResult:
    async def work() -> WorkerResult:
        async with open_lambda() as client:
            job_ = job or WorkerJob("helios-renderer", inputs={"spec.json": b"{}"})
            return await AwsLambdaAdapter(client, function, store).execute(job_, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_LAMBDA", front.url)
        return asyncio.run(work())


@pytest.fixture
def front(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[LambdaFront]:
    handler, more = request.param if isinstance(request.param, tuple) else (request.param, {})
    with lambda_front(tmp_path / "front", handler, **more) as found:
        yield found


WORKER = "helios.worker.lambda_handler.handler"


@pytest.mark.parametrize("front", [(WORKER, {"env": {"HELIOS_COMMANDS": "/bin/sh"}})], indirect=True)
def test_a_result_has_its_cost_and_leaves_no_progress_in_the_store(front: LambdaFront, store: ArtifactStore) -> None:
    usage = run(front, store, WorkerJob("/bin/sh", ("-c", "echo line"))).usage
    assert usage
    assert 0 < usage.billed_s < 60
    assert 5 < usage.memory_mb < 1000
    assert asyncio.run(store.sizes("progress")) == {}, "nothing reads it any more"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_function_whose_disk_is_full_names_the_option(store: ArtifactStore, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    env = {"HELIOS_COMMANDS": "/bin/sh", "TMPDIR": str(small)}
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=True)
    try:
        with lambda_front(tmp_path / "front", WORKER, env=env) as front:
            write = WorkerJob("/bin/sh", ("-c", "head -c 2000000 /dev/zero > out"))
            with pytest.raises(OutputError, match=r"No space left on device: .*helios deploy aws --disk"):
                run(front, store, write)
            brought = WorkerJob("/bin/sh", ("-c", "true"), inputs={"in": bytes(2_000_000)})
            with pytest.raises(OutputError, match=r"the worker's disk can't hold the job: .*helios deploy aws --disk"):
                run(front, store, brought)
    finally:
        subprocess.run(["umount", "--lazy", small], check=True)


@pytest.mark.parametrize("front", [WORKER], indirect=True)
@pytest.mark.parametrize(
    ("job", "message"),
    [
        (WorkerJob("/bin/sh"), r"not '/bin/sh': to allow it, helios deploy aws\|gcp --allow-command /bin/sh"),
        (WorkerJob("helios-renderer", ("probe", "a", "b"), inputs={"../a": b""}), "no path inside"),
    ],
    ids=["command", "path"],
)
def test_what_the_worker_refuses_it_says(
    front: LambdaFront, store: ArtifactStore, job: WorkerJob, message: str
) -> None:
    with pytest.raises(WorkerRefused, match=message):
        run(front, store, job)


FAILURES: dict[str, tuple[Any, type[HeliosError], str]] = {
    "raises": ("functions.raising", WorkerError, r"ValueError: the handler is broken: ä\n.*functions\.py"),
    "is cut off": (("functions.sleeping", {"timeout": 1}), WorkerTimeout, r"was cut off after 1 s: give chunks fewer"),
    "dies": ("functions.killed", WorkerLost, r"(?s)signal: killed; its log ends with:.*these are my last words"),
    "is no worker": ("functions.stranger", WorkerRefused, "helios is no worker of Helios"),
}


@pytest.mark.parametrize(("front", "kind", "message"), list(FAILURES.values()), ids=list(FAILURES), indirect=["front"])
def test_a_function_that_fails_does_so_with_its_cause(
    front: LambdaFront, store: ArtifactStore, kind: type[HeliosError], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        run(front, store)
    assert type(caught.value) is kind
    assert front.invokes == 1, "it is not repeated"
    assert caught.value.retryable == (kind in (WorkerTimeout, WorkerLost))


@pytest.mark.parametrize("front", [("functions.sleeping", {"memory_mb": 2048})], indirect=True)
def test_a_function_whose_memory_was_not_enough_says_what_to_do(
    front: LambdaFront, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with open_lambda() as client:
            job = WorkerJob("helios-renderer", inputs={"spec.json": b"{}"})
            running = asyncio.create_task(AwsLambdaAdapter(client, "helios", store).execute(job))
            log = front.environments[0].log
            await asyncio.to_thread(wait_until, lambda: "it sleeps" in log.read_text(), "the function")
            front.kill(0, full=True)
            await running

    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", front.url)
    with pytest.raises(OutOfMemory, match="more than its 2048 MB: helios deploy"):
        asyncio.run(work())


@pytest.mark.parametrize("front", ["functions.fine"], indirect=True)
def test_what_does_not_reach_the_function_is_said(
    front: LambdaFront, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    front.to_throttle = 1
    with pytest.raises(Throttled, match=r"runs no more invocations in parallel: Rate Exceeded"):
        run(front, store)
    assert front.invokes == 0, "nor did the client try again by itself"
    assert run(front, store).stdout == "fine\n"
    with pytest.raises(WorkerRefused, match="there is no function other in us-east-1: helios deploy aws"):
        run(front, store, function="other")
    front.size = 1000
    large = WorkerJob("helios-renderer", inputs={"spec.json": b"x" * 2000})
    with pytest.raises(WorkerRefused, match=r"of \d+ bytes is too large"):
        run(front, store, large)
    with pytest.raises(WorkerRefused, match="and Lambda takes 6291456: shorten props"):
        run(front, store, WorkerJob("helios-renderer", inputs={"spec.json": b"x" * 6_000_000}))
    front.denied = True
    with pytest.raises(AccessDenied, match=r"not authorized to perform: lambda:InvokeFunction"):
        run(front, store)
    front.denied = False
    front.url = "http://127.0.0.1:9"
    with pytest.raises(WorkerLost, match="the connection to helios is broken"):
        run(front, store)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AccessDenied, match="credentials"):
        run(front, store)
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(UsageError, match="You must specify a region"):
        run(front, store)


@pytest.mark.parametrize("front", ["functions.fine"], indirect=True)
@pytest.mark.parametrize("header", ["Content-Length", "Transfer-Encoding", "Connection"])
def test_a_response_that_breaks_off_is_a_lost_worker(front: LambdaFront, store: ArtifactStore, header: str) -> None:
    front.breaks_off = header
    with pytest.raises(WorkerLost, match=r"(the connection to|the response of) helios (is broken|broke off)"):
        run(front, store)
    front.breaks_off = ""
    assert run(front, store).stdout == "fine\n"


FOREIGN: list[tuple[Exception, type[HeliosError]]] = [
    *((error, WorkerLost) for error in (
        aiohttp.ClientPayloadError("not enough data"), aiohttp.ServerDisconnectedError(), aiohttp.ClientOSError(),
        aiohttp.InvalidURL("x"), ConnectionResetError(), ssl.SSLError(), TimeoutError(), ResponseParserError("<html>"),
        aws.HTTPClientError(error="x"), aws.ResponseStreamingError(error="x"), aws.ReadTimeoutError(endpoint_url="x"),
        aws.EndpointConnectionError(endpoint_url="x"), aws.IncompleteReadError(actual_bytes=1, expected_bytes=2),
    )),
    *((error, AccessDenied) for error in (
        aws.NoCredentialsError(), aws.UnauthorizedSSOTokenError(), aws.TokenRetrievalError(provider="x", error_msg="x"),
        aws.CredentialRetrievalError(provider="x", error_msg="x"),
    )),
    (aws.ParamValidationError(report="x"), WorkerError),
]  # fmt: skip


@pytest.mark.parametrize(("error", "kind"), FOREIGN, ids=[type(error).__name__ for error, _ in FOREIGN])
def test_errors_of_the_network_and_of_botocore_are_ours(error: Exception, kind: type[HeliosError]) -> None:
    with pytest.raises(HeliosError, match=r"helios (can't|is broken)") as caught, aws_errors("helios", 9):
        raise error
    assert type(caught.value) is kind
    assert caught.value.__cause__ is error


class Undeletable(ObstoreObjects):
    """Objects of a folder, for whoever may not delete them."""

    async def delete(self, key: str) -> None:
        raise RefusedError("s3:DeleteObject is not allowed")


@pytest.mark.parametrize("front", ["functions.fine"], indirect=True)
def test_a_result_counts_though_its_progress_can_not_be_deleted(front: LambdaFront, tmp_path: Path) -> None:
    folder = tmp_path / "undeletable"
    folder.mkdir()
    store = ArtifactStore(Undeletable.of_folder(folder), f"file://{folder}", root=folder)
    assert run(front, store).stdout == "fine\n"


@pytest.mark.parametrize("front", [(WORKER, {"env": {"HELIOS_COMMANDS": "/bin/sh"}, "timeout": 12})], indirect=True)
def test_a_worker_that_runs_out_of_time_ends_its_command_itself(front: LambdaFront, store: ArtifactStore) -> None:
    with pytest.raises(WorkerTimeout, match=r"ran longer than its time-out of [\d.]+ s.*--chunk-frames.*--timeout"):
        run(front, store, WorkerJob("/bin/sh", ("-c", "while :; do sleep 0.1; done")))
    assert run(front, store, WorkerJob("/bin/sh", ("-c", "echo next"))).stdout == "next\n"
