"""Jobs as real processes: what they get, what comes back, and that nothing of them is left."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from helios.adapters import LocalWorkerAdapter
from helios.errors import CommandNotFound, WorkerError, WorkerTimeout
from helios.worker import LineSink, WorkerJob, WorkerResult
from support.processes import alive, descendants, wait_until

ENV = {"PATH": os.defpath}
FOREVER = "sleep 1000 & echo $$ $!; wait"
"""A process and its child, which say who they are."""
STUBBORN = f"trap '' TERM; {FOREVER}"
"""Both ignore SIGTERM: what is ignored stays so in a child."""


def shell(script: str, *args: str, timeout: float | None = 30, cwd: Path | None = None) -> WorkerJob:
    return WorkerJob("sh", ("-c", script, "sh", *args), ENV, cwd, timeout)


def run(
    job: WorkerJob, on_line: LineSink | None = None, *, grace: float = 20, tail_bytes: int = 1 << 18
) -> WorkerResult:
    return asyncio.run(LocalWorkerAdapter(grace=grace, tail_bytes=tail_bytes).execute(job, on_line))


class Family:
    """The processes that a line of FOREVER names."""

    def __init__(self) -> None:
        self.pids: list[int] = []
        self.members: list[psutil.Process] = []
        self.known = asyncio.Event()

    def on_line(self, line: str) -> None:
        self.pids = [int(pid) for pid in line.split()]
        for pid in self.pids:
            with contextlib.suppress(psutil.NoSuchProcess):
                self.members.append(psutil.Process(pid))
        self.known.set()

    def assert_gone(self) -> None:
        assert len(self.pids) == 2
        wait_until(lambda: not any(alive(process) for process in self.members), "the process group to end")


@pytest.mark.parametrize(
    "args",
    [
        ("a b", "it's", '"quoted"', "$HOME", "$(id)", "`id`"),
        ("two\nlines", "; exit 9", "&& false", "| cat", "> /dev/null", "*"),
        ("", " ", "\\", "-n", "--", "~", "%d", "ünï", "\udcff"),
    ],
)
def test_arguments_are_passed_on_as_they_are(args: tuple[str, ...]) -> None:
    tell = "import os, sys; os.write(1, b'\\0'.join(map(os.fsencode, sys.argv[1:])))"
    result = run(WorkerJob(sys.executable, ("-I", "-S", "-c", tell, *args)))
    assert result.stdout.split("\0") == list(args)


@pytest.mark.parametrize("env", [{}, {"A": "1", "B": "x $A\ny'\"", "C": ""}])
def test_the_environment_is_the_jobs_and_nothing_of_the_callers(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "of the caller")
    result = run(WorkerJob("env", ("-0",), env))
    assert dict(line.split("=", 1) for line in result.stdout.split("\0")[:-1]) == env


def test_a_job_runs_in_its_folder(tmp_path: Path) -> None:
    assert run(shell("pwd -P", cwd=tmp_path)).stdout == f"{tmp_path.resolve()}\n"


def test_a_relative_command_is_looked_up_where_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    tool = folder / "tool"
    tool.write_text("#!/bin/sh\necho here\n")
    tool.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    for cwd in (folder, Path("folder")):
        assert run(WorkerJob("./tool", cwd=cwd)).stdout == "here\n"
    with pytest.raises(CommandNotFound):
        run(WorkerJob("./tool", cwd=tmp_path))


def test_a_command_is_looked_up_on_the_jobs_path(tmp_path: Path) -> None:
    tool = tmp_path / "own-tool"
    tool.write_text("#!/bin/sh\necho mine\n")
    tool.chmod(0o755)
    assert run(WorkerJob("own-tool", env={"PATH": str(tmp_path)})).stdout == "mine\n"
    with pytest.raises(CommandNotFound):
        run(WorkerJob("own-tool", env=ENV))


def test_there_is_nothing_on_stdin() -> None:
    assert run(shell("cat; echo end")).stdout == "end\n"


@pytest.mark.parametrize(("script", "code"), [("true", 0), ("exit 3", 3), ("kill -9 $$", -9), ("kill $$", -15)])
def test_the_exit_code_is_a_result_and_negative_for_a_signal(script: str, code: int) -> None:
    assert run(shell(script)).exit_code == code


@pytest.mark.parametrize("command", ["no-such-command", "/no/such/command", "", "bad\0name"])
def test_a_missing_command_is_an_error(command: str) -> None:
    with pytest.raises(CommandNotFound) as caught:
        run(WorkerJob(command, env=ENV))
    assert repr(command) in str(caught.value)


def test_a_file_that_may_not_be_executed_is_no_command(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    for path in (tool, tmp_path):
        with pytest.raises(CommandNotFound, match=path.name):
            run(WorkerJob(str(path)))


@pytest.mark.parametrize("head", ["#!/no/such/interpreter\n", "\x7fELF nonsense"])
def test_a_file_that_can_not_be_executed_is_an_error(head: str, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text(head)
    tool.chmod(0o755)
    with pytest.raises(WorkerError, match="can't be run"):
        run(WorkerJob(str(tool)))


def test_a_bad_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("missing", "file"):
        with pytest.raises(WorkerError, match=name) as caught:
            run(shell("true", cwd=tmp_path / name))
        assert type(caught.value) is WorkerError


@pytest.mark.parametrize(("args", "env"), [(("a\0b",), {}), ((), {"A=B": "c"}), ((), {"A": "b\0"}), (("\ud800",), {})])
def test_what_no_process_can_be_given_is_an_error(args: tuple[str, ...], env: dict[str, str]) -> None:
    with pytest.raises(WorkerError, match="can't be run"):
        run(WorkerJob(sys.executable, args, env))


def test_a_timeout_ends_the_whole_group_and_tells_what_was_said() -> None:
    family = Family()
    with pytest.raises(WorkerTimeout) as caught:
        run(shell(f"echo why >&2; {FOREVER}", timeout=1), family.on_line)
    family.assert_gone()
    error = caught.value
    assert error.stdout == " ".join(map(str, family.pids)) + "\n"
    assert error.stderr == "why\n"
    assert "time-out of 1 s" in str(error)
    assert "sh -c 'echo why >&2;" in str(error), "the command, for pasting"


def test_after_a_timeout_a_process_is_asked_before_it_is_killed() -> None:
    with pytest.raises(WorkerTimeout) as caught:
        run(shell("trap 'echo asked; exit' TERM; sleep 1000 & echo ready; wait", timeout=1))
    assert caught.value.stdout == "ready\nasked\n"


def test_a_group_that_ignores_being_asked_is_killed_after_a_timeout() -> None:
    family = Family()
    with pytest.raises(WorkerTimeout):
        run(shell(STUBBORN, timeout=1), family.on_line, grace=0.1)
    family.assert_gone()


def test_a_grandchild_that_ignores_being_asked_does_not_outlive_a_leader_that_obeys() -> None:
    family = Family()
    with pytest.raises(WorkerTimeout):
        run(shell("(trap '' TERM; exec sleep 1000) & echo $$ $!; wait", timeout=1), family.on_line)
    family.assert_gone()


async def turns_until(condition: Callable[[], object]) -> None:
    """Lets the event loop turn until the condition holds, or for 10 seconds."""
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110 - nobody could set an event
        await asyncio.sleep(0)


async def cancel_when(known: asyncio.Event, task: asyncio.Task[WorkerResult]) -> None:
    async with asyncio.timeout(20):
        await known.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_cancelling_kills_a_group_that_ignores_SIGTERM() -> None:
    async def main() -> None:
        family = Family()
        job = LocalWorkerAdapter(grace=0.1).execute(shell(STUBBORN), family.on_line)
        await cancel_when(family.known, asyncio.create_task(job))
        family.assert_gone()

    asyncio.run(main())


def test_cancelling_twice_kills_at_once() -> None:
    async def main() -> None:
        family = Family()
        asked = asyncio.Event()

        def on_line(line: str) -> None:
            if line == "asked":
                asked.set()
            else:
                family.on_line(line)

        job = shell("trap 'echo asked' TERM; sleep 1000 & echo $$ $!; while :; do wait; done")
        task = asyncio.create_task(LocalWorkerAdapter(grace=1000).execute(job, on_line))
        async with asyncio.timeout(20):
            await family.known.wait()
            task.cancel()
            await asked.wait()
        await cancel_when(asked, task)
        family.assert_gone()

    asyncio.run(main())


def test_cancelling_after_a_timeout_kills_at_once() -> None:
    async def main() -> None:
        asked = asyncio.Event()

        def on_line(line: str) -> None:
            if line == "asked":
                asked.set()

        job = shell("trap 'echo asked' TERM; while :; do sleep 1000 & wait; done", timeout=0.5)
        await cancel_when(asked, asyncio.create_task(LocalWorkerAdapter(grace=1000).execute(job, on_line)))

    asyncio.run(main())
    wait_until(lambda: not descendants(os.getpid()), "the process group to end")


def test_cancelling_while_the_process_starts_ends_the_whole_group(tmp_path: Path) -> None:
    started = tmp_path / "started"

    async def main() -> list[psutil.Process]:
        job = shell(f"trap '' TERM; sleep 1000 & touch {started}; wait")
        task = asyncio.create_task(LocalWorkerAdapter(grace=0.1).execute(job))
        await turns_until(lambda: descendants(os.getpid()))
        wait_until(started.exists, "the grandchild")  # the event loop stands still: it is still starting
        family = descendants(os.getpid())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return family

    family = asyncio.run(main())
    assert len(family) == 2
    wait_until(lambda: not any(alive(process) for process in family), "the process group to end")


@pytest.mark.parametrize("redirect", ["", "> /dev/null 2>&1"])
def test_a_grandchild_does_not_outlive_a_leader_that_ends(redirect: str) -> None:
    family = Family()
    result = run(shell(f"trap '' TERM; sleep 1000 {redirect} & echo $$ $!; exit 7"), family.on_line)
    assert result.exit_code == 7
    family.assert_gone()


def test_whoever_left_the_group_and_holds_stdout_open_does_not_keep_the_result_back(tmp_path: Path) -> None:
    stray = tmp_path / "stray"
    script = 'echo said; setsid sh -c "echo \\$\\$ > $1; exec sleep 1000" & while [ ! -s "$1" ]; do sleep 0.01; done'
    try:
        result = run(shell(script, str(stray)), grace=0.2)
        assert (result.exit_code, result.stdout) == (0, "said\n")
    finally:
        os.kill(int(stray.read_text()), signal.SIGKILL)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("size", [999, 1000, 1001, 2500, 3_000_000])
def test_the_end_of_the_output_is_kept_and_the_rest_is_counted(stream: str, size: int) -> None:
    message = ("0123456789" * 300_000)[:size]
    script = f"import sys; sys.{stream}.write(('0123456789' * 300_000)[:{size}])"
    result = run(WorkerJob(sys.executable, ("-I", "-S", "-c", script)), tail_bytes=1000)
    note = f"[{size - 1000} bytes before this are left out]\n" if size > 1000 else ""
    assert getattr(result, stream) == note + message[-1000:]


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        ("", []),
        ("\\n", [""]),
        ("a", ["a"]),
        ("a\\n\\nb\\n", ["a", "", "b"]),
        ("a\\nlast", ["a", "last"]),
        ("\\377\\376\\n", ["\udcff\udcfe"]),
    ],
)
def test_every_line_is_told_once(message: str, lines: list[str]) -> None:
    told: list[str] = []
    run(shell(f"printf '{message}'"), told.append)
    assert told == lines


def test_a_line_on_stderr_is_not_told() -> None:
    told: list[str] = []
    run(shell("echo err >&2"), told.append)
    assert told == []


def test_a_line_that_comes_in_pieces_is_told_whole(tmp_path: Path) -> None:
    told: list[str] = []

    def on_line(line: str) -> None:
        told.append(line)
        (tmp_path / "gate").touch()

    # The second half is written only when the line before it was told, so after the first half was read.
    script = "printf 'first\\nhal'; while [ ! -e gate ]; do sleep 0.01; done; echo ves"
    run(shell(script, cwd=tmp_path), on_line)
    assert told == ["first", "halves"]


def test_a_very_long_line_is_told_in_pieces_so_that_no_more_of_it_is_held() -> None:
    told: list[str] = []
    run(shell("head -c 5000000 /dev/zero | tr '\\0' x; echo; echo next"), told.append, tail_bytes=1000)
    assert told[-1] == "next"
    assert set("".join(told[:-1])) == {"x"}
    assert sum(map(len, told[:-1])) == 5_000_000
    assert max(map(len, told)) < 1_000_000


def test_bytes_that_are_no_text_survive() -> None:
    result = run(shell("printf '\\377\\0\\303\\274'"))
    assert result.stdout.encode("utf-8", "surrogateescape") == b"\xff\0\xc3\xbc"


@pytest.mark.parametrize("script", [FOREVER, "yes", "echo only; exit 5", "printf only"])
@pytest.mark.parametrize("error", [RuntimeError, TimeoutError])
def test_what_the_callback_raises_ends_the_job(script: str, error: type[Exception]) -> None:
    told: list[str] = []

    def on_line(line: str) -> None:
        told.append(line)
        raise error("from the callback")

    with pytest.raises(error, match="from the callback"):
        run(shell(script), on_line)
    assert len(told) == 1
    wait_until(lambda: not descendants(os.getpid()), "the process group to end")


def test_a_hundred_jobs_run_side_by_side() -> None:
    async def main() -> list[WorkerResult]:
        adapter = LocalWorkerAdapter()
        jobs = [shell('echo "$1"; exit "$1"', str(number)) for number in range(100)]
        return await asyncio.gather(*(adapter.execute(job) for job in jobs))

    results = asyncio.run(main())
    assert [(result.exit_code, result.stdout) for result in results] == [(k, f"{k}\n") for k in range(100)]


def test_no_file_stays_open_after_many_jobs() -> None:
    def broken(line: str) -> None:
        raise RuntimeError(line)

    async def every_outcome() -> None:
        adapter = LocalWorkerAdapter()
        for job, on_line in [
            (shell("echo a; exit 1"), None),
            (shell("echo a; sleep 1000"), broken),
            (shell("sleep 1000", timeout=0), None),
            (shell("true", cwd=Path("/no/such/folder")), None),
        ]:
            with contextlib.suppress(RuntimeError, WorkerError):
                await adapter.execute(job, on_line)

    async def main() -> tuple[set[str], set[str]]:
        await every_outcome()
        before = open_files()
        for _ in range(10):
            await every_outcome()
        await turns_until(lambda: open_files() == before)
        return before, open_files()

    before, after = asyncio.run(main())
    assert after == before


def open_files() -> set[str]:
    return {f"{name} {link}" for name in os.listdir("/proc/self/fd") if (link := read_link(name))}  # noqa: PTH208


def read_link(name: str) -> str:
    with contextlib.suppress(FileNotFoundError):  # the one that lists them
        return str(Path("/proc/self/fd", name).readlink())
    return ""
