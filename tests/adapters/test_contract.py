"""The contract of ``WorkerAdapter``: every adapter passes the same tests, with real workers (tests/support/hosts.py)."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Generator, Mapping
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

import psutil
import pytest

from helios.adapters import WorkerAdapter
from helios.errors import CommandNotFound, Throttled, WorkerLost, WorkerRefused, WorkerTimeout
from helios.storage import ArtifactStore
from helios.worker import LineSink, WorkerJob, WorkerResult
from support.hosts import HOSTS, MISSING, SHELL, Host
from support.processes import alive, wait_until

FOREVER = 'sh -c "while :; do sleep 0.05; done" {token} & echo started; wait'
"""A process and its child, which both have the token in their command line."""


@pytest.fixture(scope="module", params=list(HOSTS))
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Host]:
    with HOSTS[request.param](tmp_path_factory.mktemp("host")) as host:
        yield host


@pytest.fixture
def remote(host: Host) -> Host:
    if host.kill is None:
        pytest.skip("its workers are this machine's processes")
    return host


class Client:
    """Sends jobs to the adapter of a host, each with the same folder and store."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host = host
        self.folder = folder
        self.store = ArtifactStore.at(folder / "store")

    def job(
        self,
        script: str,
        *,
        timeout: float | None = 60,
        inputs: Mapping[str, bytes] = MappingProxyType({}),
        outputs: Mapping[str, str] = MappingProxyType({}),
    ) -> WorkerJob:
        for name, content in inputs.items():
            (self.folder / name).write_bytes(content)  # workers that share this disk find them there
        env = {"PATH": "/usr/bin:/bin"}
        return WorkerJob(SHELL, ("-c", script), env, self.folder, timeout, inputs=inputs, outputs=outputs)

    def use(self, work: Callable[[WorkerAdapter], Awaitable[WorkerResult | None]]) -> WorkerResult | None:
        async def run() -> WorkerResult | None:
            async with asyncio.timeout(120), self.host.open(self.store) as adapter:
                return await work(adapter)

        return asyncio.run(run())

    def run(self, job: WorkerJob, on_line: LineSink | None = None) -> WorkerResult:
        result = self.use(lambda adapter: adapter.execute(job, on_line))
        assert result
        return result

    def output(self, name: str, key: str) -> bytes | None:
        """The file that a job has written: in the store of remote workers, else in the job's folder."""

        async def read(adapter: WorkerAdapter) -> None:
            if adapter.store is None:
                found.append((self.folder / name).read_bytes() if (self.folder / name).exists() else None)
            else:
                found.append(await adapter.store.get(key) if await adapter.store.has(key) else None)

        found: list[bytes | None] = []
        self.use(read)
        return found[0]


@pytest.fixture
def client(host: Host, tmp_path: Path) -> Client:
    return Client(host, tmp_path)


def processes(token: str) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if any(token in word for word in process.cmdline()) and alive(process):
                found.append(process)
        except psutil.Error:
            continue
    return found


def forever() -> tuple[str, str]:
    token = uuid4().hex
    return FOREVER.format(token=token), token


def assert_gone(token: str) -> None:
    wait_until(lambda: not processes(token), "the end of the job's processes", 60)


def test_the_adapter_satisfies_the_protocol(client: Client) -> None:
    async def check(adapter: WorkerAdapter) -> None:
        assert isinstance(adapter, WorkerAdapter)
        assert (adapter.store is None) == (client.host.kill is None)

    client.use(check)


def test_a_result_has_the_exit_code_the_output_and_the_files(client: Client) -> None:
    lines: list[str] = []
    script = "echo one; echo two; cat in > out; echo oops >&2"
    job = client.job(script, inputs={"in": b"sent"}, outputs={"out": "x/out", "none": "x/none"})
    result = client.run(job, lines.append)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "one\ntwo\n", "oops\n")
    assert lines == ["one", "two"], "each once, and in order"
    assert result.duration_ms > 0
    assert set(result.outputs) == {"out"}, "those that the command has written"
    out = result.outputs["out"]
    assert (out.key, out.size, out.digest) == ("x/out", 4, hashlib.sha256(b"sent").hexdigest())
    assert client.output("out", "x/out") == b"sent"
    assert client.output("none", "x/none") is None


def test_only_the_end_of_a_long_output_is_stored(client: Client) -> None:
    result = client.run(client.job("seq 1 200000"))
    assert result.stdout.endswith("\n199999\n200000\n")
    assert len(result.stdout) < 1_000_000


@pytest.mark.parametrize("code", [1, 7])
def test_a_non_zero_exit_is_a_result(code: int, client: Client) -> None:
    result = client.run(client.job(f"echo why >&2; exit {code}"))
    assert (result.exit_code, result.stderr) == (code, "why\n")


def test_a_failed_command_leaves_no_output_in_the_store(client: Client, remote: Host) -> None:
    result = client.run(client.job("printf half > out; exit 3", outputs={"out": "x/failed"}))
    assert (result.exit_code, result.outputs) == (3, {})
    assert client.output("out", "x/failed") is None


def test_a_missing_command_is_an_error(client: Client) -> None:
    with pytest.raises(CommandNotFound, match=MISSING):
        client.run(WorkerJob(MISSING, (), {}, client.folder))


def test_a_timeout_ends_all_processes_of_the_job(client: Client) -> None:
    script, token = forever()
    with pytest.raises(WorkerTimeout, match=r"time-out of 1\.5 s"):
        client.run(client.job(script, timeout=1.5))
    assert_gone(token)
    assert client.run(client.job("echo next")).stdout == "next\n"


def test_lines_arrive_while_the_command_runs(client: Client) -> None:
    """The command goes on only when its line has arrived."""
    gate = client.folder / "gate"
    script = f"echo first; until [ -e {gate} ]; do sleep 0.01; done; echo second"
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        gate.touch()

    assert client.run(client.job(script), on_line).exit_code == 0
    assert lines == ["first", "second"]


def test_cancelling_leaves_nothing_running_and_nothing_written(client: Client) -> None:
    script, token = forever()

    async def cancel(adapter: WorkerAdapter) -> None:
        started = asyncio.Event()
        job = client.job(f"printf half > out; {script}", outputs={"out": "x/cancelled"})
        task = asyncio.create_task(adapter.execute(job, lambda line: started.set()))
        await started.wait()
        assert len(await asyncio.to_thread(processes, token)) == 2
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(assert_gone, token)
        if adapter.store:
            assert not await adapter.store.has("x/cancelled")

    client.use(cancel)
    wait_until(lambda: _is_free(client), "a free worker", 60)


def test_an_error_of_the_callback_ends_the_job(client: Client) -> None:
    script, token = forever()

    def on_line(line: str) -> None:
        raise RuntimeError("from the callback")

    with pytest.raises(RuntimeError, match="from the callback"):
        client.run(client.job(script), on_line)
    assert_gone(token)
    wait_until(lambda: _is_free(client), "a free worker", 60)


def test_a_worker_of_another_version_refuses(client: Client, remote: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    assert remote.release
    monkeypatch.setattr(remote.release, "99.0")
    with pytest.raises(WorkerRefused, match=r"the worker is Helios \S+, the job is of Helios 99\.0"):
        client.run(client.job("true"))


def test_a_killed_worker_is_lost_and_the_next_job_runs(client: Client, remote: Host) -> None:
    script, token = forever()
    kill = remote.kill
    assert kill
    with pytest.raises(WorkerLost):
        client.run(client.job(script), lambda line: kill())
    for process in processes(token):  # a killed worker can't end them; its cloud does
        process.kill()
    wait_until(lambda: _is_free(client), "a free worker", 60)


def _is_free(client: Client) -> bool:
    try:
        return client.run(client.job("echo next")).stdout == "next\n"
    except Throttled:
        return False
