"""Jobs as requests to a Cloud Run service: real workers, real tokens, and what Google says when it does not go well."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path

import httpx
import psutil
import pytest
from google.auth import jwt

from helios.adapters.gcp.adapter import CloudRunAdapter, Instance, open_cloud_run
from helios.adapters.gcp.id_tokens import IdTokens
from helios.adapters.prices import CloudRunPrices
from helios.errors import AccessDenied, OutOfMemory, Throttled, WorkerLost, WorkerRefused, WorkerTimeout
from helios.storage import ArtifactStore
from helios.worker import WorkerJob, WorkerResult
from support.balancer import CloudRunFront, cloud_run
from support.google_identity import ACCOUNT, Google, google
from support.http_worker import Served, served
from support.processes import wait_until

SHELL = "/bin/sh"


@pytest.fixture(scope="module")
def signer() -> Generator[Google]:
    with google() as found:
        yield found


@pytest.fixture(scope="module")
def worker() -> Generator[Served]:
    with served("--behind-iam", HELIOS_COMMANDS=SHELL) as found:
        yield found


@pytest.fixture
def front(worker: Served, signer: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[CloudRunFront]:
    no_cloud(monkeypatch, tmp_path)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(signer.key_file(tmp_path / "key.json")))
    wait_until(lambda: not httpx.get(f"{worker.url}/healthz").json()["busy"], "the end of the last test's job")
    with cloud_run([worker], signer) as found:
        yield found


def no_cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of Google's is found on this machine."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


def with_adapter(
    front: CloudRunFront, tmp_path: Path, work: Callable[[CloudRunAdapter], Awaitable[WorkerResult]], **instance: int
) -> WorkerResult:
    async def run() -> WorkerResult:
        store = ArtifactStore.at(tmp_path / "store")
        async with open_cloud_run(front.url, store, Instance(**instance)) as adapter:
            return await work(adapter)

    return asyncio.run(run())


def run(front: CloudRunFront, tmp_path: Path, script: str) -> WorkerResult:
    job = WorkerJob(SHELL, ("-c", script))
    return with_adapter(front, tmp_path, lambda adapter: adapter.execute(job))


def test_it_costs_its_time_its_memory_and_its_processors(front: CloudRunFront, tmp_path: Path) -> None:
    async def spend(adapter: CloudRunAdapter) -> WorkerResult:
        result = await adapter.execute(WorkerJob(SHELL, ("-c", "sleep 0.3")))
        assert adapter.spent == pytest.approx(result.usage and result.usage.cost, rel=0.5)
        return result

    usage = with_adapter(front, tmp_path, spend).usage
    assert usage
    assert usage.billed_s >= 0.3
    assert usage.billed_s * 10 == pytest.approx(round(usage.billed_s * 10)), "in tenths of a second"
    assert usage.cost > 0
    table = CloudRunPrices(cpu_second=2.0, gib_second=0.5, request=0.25, put=0.0, get=0.0)
    assert table.make_request(10, 2048, 4) == 0.25 + 10 * (4 * 2.0 + 2 * 0.5)


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (429, Throttled, "runs no more jobs in parallel"),
        (503, Throttled, "has no instance for the job yet"),
        (504, WorkerTimeout, "--chunk-frames"),
        (500, WorkerLost, "answers with 500"),
        (502, WorkerLost, "refused by Google"),
        (413, WorkerRefused, "too large"),
        (404, WorkerRefused, "helios deploy gcp"),
        (302, WorkerRefused, "answers with 302"),
    ],
)
def test_what_google_answers_is_an_error_of_its_class(
    status: int, error: type[Exception], message: str, front: CloudRunFront, tmp_path: Path
) -> None:
    front.statuses = [status]
    with pytest.raises(error, match=message):
        run(front, tmp_path, "true")
    assert front.asked == 0


def test_a_service_that_never_starts_an_instance_is_lost(
    front: CloudRunFront, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helios.adapters.gcp.adapter._STARTING", 0.0)
    front.statuses = [503]
    with pytest.raises(WorkerLost, match="its logs say why"):
        run(front, tmp_path, "true")


def test_a_token_that_is_refused_is_replaced_once(front: CloudRunFront, signer: Google, tmp_path: Path) -> None:
    asked = signer.asked.count("/token")
    front.statuses = [401]
    assert run(front, tmp_path, "true").exit_code == 0
    assert signer.asked.count("/token") - asked == 2
    front.statuses = [401, 401]
    with pytest.raises(AccessDenied, match="does not take this ID token"):
        run(front, tmp_path, "true")


def test_who_may_not_call_is_told_which_role_is_missing(front: CloudRunFront, tmp_path: Path) -> None:
    front.invokers.clear()
    with pytest.raises(AccessDenied, match=r"roles/run\.invoker"):
        run(front, tmp_path, "true")


def test_a_command_that_is_not_allowed_is_refused(front: CloudRunFront, tmp_path: Path) -> None:
    with pytest.raises(WorkerRefused, match="and not '/bin/rm': to allow it, helios deploy"):
        with_adapter(front, tmp_path, lambda adapter: adapter.execute(WorkerJob("/bin/rm")))


def test_a_worker_that_is_shut_down_is_lost(front: CloudRunFront, tmp_path: Path) -> None:
    job = WorkerJob(SHELL, ("-c", "echo started; sleep 600"))
    with served("--behind-iam", HELIOS_COMMANDS=SHELL) as worker:
        front.workers[:] = [worker]
        with pytest.raises(WorkerLost, match="shut down"):
            with_adapter(front, tmp_path, lambda adapter: adapter.execute(job, lambda line: worker.terminate()))


def test_a_worker_that_says_nothing_any_more_is_lost(
    front: CloudRunFront, worker: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helios.adapters.gcp.adapter._SILENT", 2.0)
    stopped = psutil.Process(worker.process.pid)
    job = WorkerJob(SHELL, ("-c", "echo started; sleep 600"))
    try:
        with pytest.raises(WorkerLost, match="it does not respond any more"):
            with_adapter(front, tmp_path, lambda adapter: adapter.execute(job, lambda line: stopped.suspend()))
    finally:
        stopped.resume()


def test_a_job_that_fills_the_memory_says_so(front: CloudRunFront, tmp_path: Path) -> None:
    script = "head -c 60000000 /dev/zero | tail -c 60000000 | (sleep 2.5; wc -c); exit 1"
    job = WorkerJob(SHELL, ("-c", script))
    with pytest.raises(OutOfMemory, match="more than its 50 MB: helios deploy gcp --memory"):
        with_adapter(front, tmp_path, lambda adapter: adapter.execute(job), memory_mb=50)


# Where ID tokens come from


def token(audience: str = "https://worker.example") -> dict[str, object]:
    async def ask() -> str:
        return await (await IdTokens.here(audience)).token()

    return dict(jwt.decode(asyncio.run(ask()), verify=False))


def test_a_service_accounts_key_gives_tokens(signer: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_cloud(monkeypatch, tmp_path)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(signer.key_file(tmp_path / "key.json")))
    claims = token()
    assert (claims["aud"], claims["email"]) == ("https://worker.example", ACCOUNT)


def test_the_metadata_server_gives_tokens(signer: Google, tmp_path: Path) -> None:
    """In a process of its own: Google's library reads where that server is when it is imported."""
    host = signer.url.removeprefix("http://")
    usual = {name: value for name, value in os.environ.items() if name != "GOOGLE_APPLICATION_CREDENTIALS"}
    own = {
        "GCE_METADATA_HOST": host,
        "GCE_METADATA_IP": host,
        "GCE_METADATA_ROOT": host,
        "CLOUDSDK_CONFIG": str(tmp_path),
    }
    script = """if True:
        import asyncio
        from helios.adapters.gcp.id_tokens import IdTokens

        async def ask():
            return await (await IdTokens.here("https://worker.example")).token()

        print(asyncio.run(ask()))
    """
    found = subprocess.run([sys.executable, "-c", script], env=usual | own, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert jwt.decode(found.stdout.strip(), verify=False)["aud"] == "https://worker.example"


def test_gclouds_own_credentials_give_tokens(signer: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_cloud(monkeypatch, tmp_path)
    (tmp_path / "gcloud").mkdir()
    own = {
        "type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c",
        "token_uri": f"{signer.url}/token",
    }  # fmt: skip
    (tmp_path / "gcloud" / "application_default_credentials.json").write_text(json.dumps(own))
    monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{signer.url}/token")
    assert token()["aud"] == "the-tool"


def test_an_impersonated_account_gives_tokens(signer: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_cloud(monkeypatch, tmp_path)
    base = f"{signer.url}/v1/projects/-/serviceAccounts/{{}}"
    monkeypatch.setattr("google.auth.iam._IAM_ENDPOINT", f"{base}:generateAccessToken")
    monkeypatch.setattr("google.auth.iam._IAM_IDTOKEN_ENDPOINT", f"{base}:generateIdToken")
    monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{signer.url}/token")
    source = {
        "type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c",
        "token_uri": f"{signer.url}/token",
    }  # fmt: skip
    own = {
        "type": "impersonated_service_account",
        "source_credentials": source,
        "service_account_impersonation_url": base.format(f"{ACCOUNT}") + ":generateAccessToken",
        "delegates": [],
    }
    (tmp_path / "adc.json").write_text(json.dumps(own))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "adc.json"))
    claims = token()
    assert (claims["aud"], claims["email"]) == ("https://worker.example", ACCOUNT)


def test_without_credentials_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_cloud(monkeypatch, tmp_path)
    with pytest.raises(AccessDenied, match="gcloud auth application-default login"):
        token()


def test_a_token_is_kept_and_renewed_before_its_end(
    signer: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_cloud(monkeypatch, tmp_path)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(signer.key_file(tmp_path / "key.json")))

    async def ask(lifetime: int) -> int:
        before = signer.asked.count("/token")
        monkeypatch.setattr(signer, "lifetime", lifetime)
        tokens = await IdTokens.here("https://worker.example")
        await asyncio.gather(*(tokens.token() for _ in range(20)))
        await tokens.token()
        return signer.asked.count("/token") - before

    assert asyncio.run(ask(3600)) == 1
    assert asyncio.run(ask(60)) == 21, "each ends too soon to be kept"


def test_credentials_that_are_refused_are_told(signer: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_cloud(monkeypatch, tmp_path)
    with google() as uses_external_resources:
        key = json.loads(uses_external_resources.key_file(tmp_path / "key.json").read_text()) | {
            "token_uri": f"{signer.url}/nowhere"
        }
        (tmp_path / "key.json").write_text(json.dumps(key))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
        with pytest.raises((AccessDenied, WorkerLost), match="Google"):
            token()


def test_nobody_at_the_address_is_a_worker_lost(front: CloudRunFront, tmp_path: Path) -> None:
    front.url = "http://127.0.0.1:9"
    with pytest.raises(WorkerLost, match="the connection to"):
        run(front, tmp_path, "true")
