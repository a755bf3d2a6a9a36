"""The test bench itself: it answers as AWS does, shown by AWS's own client; what a function does is really done."""

import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from support.clouds import SETTINGS
from support.lambda_environment import ROOT
from support.lambda_front import ARN, LARGEST, LARGEST_EVENT, LambdaFront, lambda_front
from support.processes import in_session, wait_until

Use = Callable[[Any], Awaitable[Any]]
HANDLER = "functions.obedient"


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Generator[LambdaFront]:
    folder = tmp_path_factory.mktemp("front")
    with lambda_front(folder, HANDLER, environments=2, timeout=30, memory_mb=2048, env={"OWN": "1"}) as found:
        yield found


def use(front: LambdaFront, work: Use) -> Any:
    async def with_client() -> Any:
        config = AioConfig(retries={"total_max_attempts": 1}, read_timeout=60, max_pool_connections=200)
        opened: Any = get_session().create_client("lambda", "us-east-1", endpoint_url=front.url, config=config)
        async with opened as client:
            return await work(client)

    return asyncio.run(with_client())


async def invoke(client: Any, event: Any = None, **more: Any) -> dict[str, Any]:
    """The answer, with its payload read and its log in plain text."""
    payload = BytesIO(json.dumps(event or {}).encode())
    answer = await client.invoke(**{"FunctionName": "helios", "Payload": payload, **more})
    async with answer["Payload"] as stream:
        message = await stream.read()
    return {**answer, "Payload": json.loads(message) if message else None, "Log": _log(answer)}


def _log(answer: dict[str, Any]) -> str:
    return base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace")


def tell(front: LambdaFront, event: Any = None, **more: Any) -> dict[str, Any]:
    return use(front, lambda client: invoke(client, event, **more))


def refused(front: LambdaFront, event: Any = None, **more: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        tell(front, event, **more)
    found: Any = caught.value.response
    return found


def test_an_event_is_answered_by_a_function_that_sees_its_own_variables_only(front: LambdaFront) -> None:
    answer = tell(front, {"a": ["ä", 1]})
    message = answer["Payload"]
    assert (answer["StatusCode"], answer["ExecutedVersion"], message["event"]) == (200, "$LATEST", {"a": ["ä", 1]})
    assert "FunctionError" not in answer
    assert "LogResult" not in answer, "nobody has asked for it"
    assert answer["ResponseMetadata"]["RequestId"] == message["id"]
    assert message["env"]["OWN"] == "1"
    assert message["env"]["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "2048"
    assert Path(message["env"]["TMPDIR"]).is_relative_to(front.environments[0].folder)
    assert not {"PYTEST_CURRENT_TEST", "HELIOS_STATE", "USER", "VIRTUAL_ENV"} & set(message["env"])
    assert tell(front)["Payload"]["pid"] == message["pid"], "it stays warm"
    assert tell(front, FunctionName=f"{ARN}helios", Payload=b"")["Payload"]["event"] == {}


def test_the_tail_of_the_log_is_what_was_said_and_a_report(front: LambdaFront) -> None:
    log = tell(front, {"say": "good morning"}, LogType="Tail")["Log"]
    pattern = (
        r"START RequestId: (\S+) Version: \$LATEST\ngood morning\nEND RequestId: \1\nREPORT RequestId: \1\t"
        r"Duration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 2048 MB\tMax Memory Used: ([1-9]\d*) MB\t"
    )
    assert re.match(pattern, log), log
    long = tell(front, {"say": "é" * 5000}, LogType="Tail")
    assert len(base64.b64decode(long["LogResult"])) == 4096


def test_a_function_that_raises_fails_with_its_traceback(front: LambdaFront) -> None:
    answer = tell(front, {"do": "raise"}, LogType="Tail")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    message = answer["Payload"]
    assert (message["errorType"], message["errorMessage"]) == ("ValueError", "the handler is broken: ä")
    assert "functions.py" in message["stackTrace"][0]
    assert "[ERROR] ValueError: the handler is broken: ä" in answer["Log"]
    assert "FunctionError" not in tell(front, {"do": "pretend"}), "an answer may look like an error"


def test_a_function_that_ends_fails_and_the_next_event_finds_a_new_one(front: LambdaFront) -> None:
    before = tell(front)["Payload"]["pid"]
    answer = tell(front, {"do": "exit"}, LogType="Tail")
    id_ = answer["ResponseMetadata"]["RequestId"]
    message = f"RequestId: {id_} Error: Runtime exited with error: exit status 3"
    assert answer["FunctionError"] == "Unhandled"
    assert answer["Payload"] == {"errorType": "Runtime.ExitError", "errorMessage": message}
    assert f"{message}\nRuntime.ExitError\nEND RequestId: {id_}\nREPORT" in answer["Log"]
    assert tell(front)["Payload"]["pid"] != before


def test_an_answer_may_have_6_mb_and_a_little(front: LambdaFront) -> None:
    assert len(tell(front, {"do": "answer", "bytes": LARGEST + 100})["Payload"]) == LARGEST + 98
    answer = tell(front, {"do": "answer", "bytes": LARGEST + 101})
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert answer["Payload"]["errorType"] == "Function.ResponseSizeTooLarge"
    assert "exceeded maximum allowed payload size (6291556 bytes)" in answer["Payload"]["errorMessage"]
    assert tell(front)["Payload"]["event"] == {}


@pytest.mark.parametrize(("kind", "largest"), [("RequestResponse", LARGEST), ("Event", LARGEST_EVENT)])
def test_a_payload_that_is_too_large_is_refused(kind: str, largest: int, front: LambdaFront) -> None:
    event = b'{"say": "' + b"x" * (largest - 11) + b'"}'
    assert tell(front, Payload=BytesIO(event), InvocationType="DryRun" if kind == "Event" else kind)["StatusCode"] in (
        200,
        204,
    )
    message = refused(front, Payload=BytesIO(event + b" "), InvocationType=kind)
    assert message["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert message["Error"]["Code"] == "RequestTooLargeException"
    assert f"{largest + 1} byte payload is too large for the {kind} invocation type" in message["Error"]["Message"]


def test_a_function_that_takes_too_long_is_cut_off_with_all_that_it_began(tmp_path: Path) -> None:
    with lambda_front(tmp_path / "front", HANDLER, timeout=1) as front:
        wait_until(lambda: "FunctionError" not in tell(front), "a start in time")
        answer = tell(front, {"do": "sleep"}, LogType="Tail")
        id_ = answer["ResponseMetadata"]["RequestId"]
        message = f"RequestId: {id_} Error: Task timed out after 1.00 seconds"
        assert answer["FunctionError"] == "Unhandled"
        assert answer["Payload"] == {"errorType": "Sandbox.Timedout", "errorMessage": message}
        assert re.search(rf"Z {id_} Task timed out after 1\.00 seconds\n\nEND", answer["Log"])
        assert "Billed Duration: 1000 ms" in answer["Log"]
        assert "Status: timeout" in answer["Log"]
        wait_until(lambda: not front.environments[0].processes(), "the end of what it began")
        wait_until(lambda: tell(front)["Payload"].get("started"), "a start in time, which finds its files")


def test_a_function_that_is_killed_fails_and_what_it_began_ends(front: LambdaFront) -> None:
    async def work(client: Any) -> dict[str, Any]:
        running = asyncio.create_task(invoke(client, {"do": "sleep"}, LogType="Tail"))
        await asyncio.to_thread(wait_until, front.busy, "the invocation")
        environment = front.environments[front.busy()[0]]
        started = environment.folder / "tmp/started"
        await asyncio.to_thread(wait_until, started.exists, "the function")
        await asyncio.to_thread(front.kill, front.busy()[0], full=True)
        return await running

    answer = use(front, work)
    assert answer["FunctionError"] == "Unhandled"
    assert answer["Payload"]["errorType"] == "Runtime.ExitError"
    assert answer["Payload"]["errorMessage"].endswith(" Error: Runtime exited with error: signal: killed")
    assert "Memory Size: 2048 MB\tMax Memory Used: 2048 MB" in answer["Log"]
    wait_until(lambda: not front.environments[0].processes(), "the end of what it began")


def test_events_beyond_the_limit_are_throttled(tmp_path: Path) -> None:
    async def work(client: Any) -> None:
        sleeping = [asyncio.create_task(invoke(client, {"do": "sleep"})) for _ in range(2)]
        await asyncio.to_thread(wait_until, lambda: len(front.busy()) == 2, "two environments")
        with pytest.raises(ClientError) as caught:
            await invoke(client)
        message: Any = caught.value.response
        assert (message["ResponseMetadata"]["HTTPStatusCode"], message["Error"]["Code"]) == (
            429,
            "TooManyRequestsException",
        )
        assert message["Error"]["Message"] == "Rate Exceeded."
        assert message["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        assert message["retryAfterSeconds"] == "1"
        await asyncio.to_thread(front.kill, 0)
        await asyncio.wait(sleeping, return_when=asyncio.FIRST_COMPLETED)
        assert (await invoke(client))["Payload"]["event"] == {}, "there is room again"
        await asyncio.to_thread(front.kill, 1)
        await asyncio.wait(sleeping)

    with lambda_front(tmp_path / "front", HANDLER, environments=3, limit=2) as front:
        use(front, work)
        assert (front.invokes, front.throttled, front.most, front.under_way) == (3, 1, 2, 0)
        assert front.payloads == [{"do": "sleep"}, {"do": "sleep"}, {}]
        front.to_throttle = 1
        assert refused(front)["ResponseMetadata"]["HTTPStatusCode"] == 429
        assert tell(front)["StatusCode"] == 200


def test_an_event_is_taken_now_and_done_later_and_a_dry_run_does_nothing(tmp_path: Path) -> None:
    with lambda_front(tmp_path / "front", HANDLER) as front:
        answer = tell(front, InvocationType="DryRun")
        assert (answer["StatusCode"], answer["Payload"], front.invokes) == (204, None, 0)
        for number in range(3):
            taken = tell(front, {"number": number}, InvocationType="Event")
            assert (taken["StatusCode"], taken["Payload"]) == (202, None)
        wait_until(lambda: front.invokes == 3 and not front.under_way, "the events")
        assert (front.most, front.throttled) == (1, 0)
        assert front.payloads == [{"number": number} for number in range(3)]


def test_who_may_not_and_what_is_not_there_is_said(front: LambdaFront, monkeypatch: pytest.MonkeyPatch) -> None:
    message = refused(front, FunctionName="other")
    assert message["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert message["Error"] == {"Code": "ResourceNotFoundException", "Message": f"Function not found: {ARN}other"}
    assert message["Type"] == "User"
    monkeypatch.setattr(front, "denied", True)
    message = refused(front)
    assert message["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert message["Error"]["Code"] == "AccessDeniedException"
    assert f"not authorized to perform: lambda:InvokeFunction on resource: {ARN}helios" in message["Error"]["Message"]


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        ({}, "MissingAuthenticationTokenException"),
        (
            {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, Signature=b"},
            "InvalidSignatureException",
        ),
    ],
)
def test_a_request_without_a_signature_for_lambda_is_refused(
    signature: dict[str, str], code: str, front: LambdaFront
) -> None:
    async def work() -> tuple[int, str]:
        import aiohttp

        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{front.url}/2015-03-31/functions/helios/invocations", data=b"{}", headers=signature
            ) as message,
        ):
            return message.status, message.headers["x-amzn-ErrorType"]

    assert asyncio.run(work()) == (403, code)


def test_the_settings_of_the_function_are_told(front: LambdaFront) -> None:
    async def work(client: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        whole = await client.get_function(FunctionName="helios")
        return whole["Configuration"], await client.get_function_configuration(FunctionName="helios")

    whole, found = use(front, work)
    found.pop("ResponseMetadata")
    assert whole == found
    assert (found["MemorySize"], found["Timeout"], found["EphemeralStorage"]) == (2048, 30, {"Size": 512})
    assert (found["PackageType"], found["State"], found["Version"]) == ("Image", "Active", "$LATEST")
    assert (found["FunctionArn"], found["Architectures"]) == (f"{ARN}helios", ["x86_64"])
    assert found["Environment"] == {"Variables": {"OWN": "1"}}


def test_a_python_function_may_answer_instead(tmp_path: Path) -> None:
    async def work(client: Any) -> list[Any]:
        return [answer["Payload"] for answer in await asyncio.gather(*(invoke(client, n + 1) for n in range(100)))]

    with lambda_front(tmp_path / "front", None, limit=100) as front:
        together = asyncio.Barrier(100)

        async def answer(event: bytes) -> bytes:
            await together.wait()
            return event

        front.answer = answer
        assert use(front, work) == [n + 1 for n in range(100)]
        assert (front.invokes, front.most, front.under_way, front.environments) == (100, 100, 0, [])


ALONE = """
import sys, time
from pathlib import Path
from support.lambda_front import lambda_front
with lambda_front(Path(sys.argv[1]), "functions.obedient") as front:
    print(front.environments[0].process.pid, front.url, flush=True)
    time.sleep(600)
"""


def test_nothing_is_left_when_the_front_itself_is_killed(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT / "tests/support")])}
    command = [sys.executable, "-c", ALONE, str(tmp_path / "front")]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as repro:
        assert repro.stdout
        session, url = repro.stdout.readline().split()
        signed = {"Authorization": "Credential=a/20260101/us-east-1/lambda/aws4_request"}
        invocations = f"{url}/2015-03-31/functions/helios/invocations"
        event = Request(invocations, b'{"do": "sleep"}', {**signed, "X-Amz-Invocation-Type": "Event"}, method="POST")
        with urlopen(event) as answer:
            assert answer.status == 202
        started = tmp_path / "front/environment-0/tmp/started"
        wait_until(started.exists, "the function")
        assert len(in_session(int(session))) == 3, "the emulator, the function, and what that has started"
        repro.send_signal(signal.SIGKILL)
    wait_until(lambda: not in_session(int(session)), "the end of everything")
