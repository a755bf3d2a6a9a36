"""A worker gets all that it needs with the job, and keeps nothing of it."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from helios.composition import Source
from helios.composition.declared import Declared
from helios.errors import ArtifactMissing, CommandNotFound, StoreError, UsageError, WorkerRefused, WorkerTimeout
from helios.renderer.messages import EXIT_CODES, ProbeSpec
from helios.storage import ArtifactStore, pack, unpack
from helios.worker import Artifact, WorkerJob, WorkerResult
from helios.worker.message import Heartbeat, Payload
from helios.worker.runtime import Cancelled, Worker, local_worker
from support.clips import write_video
from support.processes import wait_until

PYTHON = {"python": (sys.executable, "-c")}


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore.at(tmp_path / "store")


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path / "worker", release="1", commands=PYTHON)


def payload(store: ArtifactStore, script: str, *args: str, release: str = "1", **more: object) -> Payload:
    job = WorkerJob("python", (script, *args), **more)  # type: ignore[arg-type]
    return Payload.of(job, release=release, store=store.url, progress="progress/1")


def run(worker: Worker, message: Payload, seconds: float | None = None) -> WorkerResult:
    answer = asyncio.run(worker.run(Payload.model_validate_json(message.model_dump_json()), seconds))
    return type(answer).model_validate_json(answer.model_dump_json()).result()


def kept(store: ArtifactStore, path: Path, key: str) -> Artifact:
    asyncio.run(store.put(key, path))
    return Artifact.of(path, key)


def left(worker_folder: Path) -> list[str]:
    return sorted(str(path.relative_to(worker_folder)) for path in worker_folder.rglob("*") if path.is_file())


def test_a_job_finds_its_inputs_and_leaves_its_outputs_in_the_store(
    store: ArtifactStore, worker: Worker, tmp_path: Path
) -> None:
    page = tmp_path / "page"
    (page / "deep").mkdir(parents=True)
    (page / "deep" / "a.txt").write_text("of the bundle")
    (tmp_path / "b.txt").write_text("of the store")
    bundle = pack(page, tmp_path / "bundle")
    inputs: Mapping[str, bytes | Artifact] = {
        "c.txt": b"of the message",
        "sub/b.txt": kept(store, tmp_path / "b.txt", "inputs/b"),
        "page/": kept(store, bundle.path, bundle.key),
    }
    script = (
        "import pathlib, sys; found = [pathlib.Path(p).read_text() for p in sys.argv[1:]]; "
        "pathlib.Path('out.txt').write_text(', '.join(found)); print('openjd_progress: 100'); sys.stderr.write('done')"
    )
    message = payload(store, script, "c.txt", "sub/b.txt", "page/deep/a.txt", inputs=inputs, outputs={"out.txt": "x/o"})
    result = run(worker, message)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "openjd_progress: 100\n", "done")
    assert asyncio.run(store.get("x/o")) == b"of the message, of the store, of the bundle"
    assert result.outputs["out.txt"] == Artifact.of(tmp_path / "store" / "x" / "o", "x/o")
    assert result.duration_ms > 0
    assert left(tmp_path / "worker") == [f"bundles/{bundle.digest}"], "nothing of the job stays"


def test_a_command_has_only_its_own_environment(
    store: ArtifactStore, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    result = run(worker, payload(store, "import os; print(sorted(os.environ))", env={"MINE": "1"}))
    assert "'MINE'" in result.stdout
    assert "AWS_SECRET_ACCESS_KEY" not in result.stdout
    home = run(worker, payload(store, "import os; print(os.environ['HOME'] == os.environ['TMPDIR'] == os.getcwd())"))
    assert home.stdout == "True\n"


def test_a_command_that_fails_is_a_result_and_leaves_nothing(
    store: ArtifactStore, worker: Worker, tmp_path: Path
) -> None:
    result = run(worker, payload(store, "open('o', 'w'); import sys; sys.exit(7)", outputs={"o": "x/o"}))
    assert (result.exit_code, result.outputs) == (7, {})
    assert asyncio.run(store.sizes("")) == {}
    assert left(tmp_path / "worker") == []


@pytest.mark.parametrize("path", ["/etc/motd", "../out", "a/../../out", "", "..", "a\0b"])
@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_a_path_that_leads_out_is_refused(side: str, path: str, store: ArtifactStore, worker: Worker) -> None:
    files: dict[str, Any] = {"inputs": {path: b"x"}} if side == "inputs" else {"outputs": {path: "key"}}
    with pytest.raises(WorkerRefused, match="no path inside of the job's folder"):
        run(worker, payload(store, "pass", **files))


@pytest.mark.parametrize("key", ["../a", "a/../../b", "/a", "", "a//b", "./a", "a\nb"])
@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_a_key_that_leads_out_of_the_store_is_refused(
    side: str, key: str, store: ArtifactStore, worker: Worker
) -> None:
    files: dict[str, Any] = {"inputs": {"a": Artifact(key, "0", 0)}} if side == "inputs" else {"outputs": {"a": key}}
    with pytest.raises(WorkerRefused, match="no key inside of the job's store"):
        run(worker, payload(store, "pass", **files))


@pytest.mark.parametrize("way", ["/../theirs", "/%2e%2e/theirs", "/x/../../theirs"])
def test_a_store_beside_the_workers_own_is_refused(way: str, store: ArtifactStore, tmp_path: Path) -> None:
    worker = Worker(tmp_path / "worker", release="1", commands=PYTHON, store=store.url)
    theirs = payload(store, "pass").model_copy(update={"store": store.url + way})
    with pytest.raises(WorkerRefused, match="the worker uses artifacts at"):
        run(worker, theirs)


def test_inputs_that_can_not_be_there_together_are_refused(store: ArtifactStore, worker: Worker) -> None:
    with pytest.raises(WorkerRefused, match="in each other's way"):
        run(worker, payload(store, "pass", inputs={"a": b"", "a/b": b""}))


def test_an_output_whose_key_holds_something_else_is_no_success(store: ArtifactStore, worker: Worker) -> None:
    def keep(text: str) -> WorkerResult:
        return run(worker, payload(store, f"open('o', 'w').write('{text}')", outputs={"o": "x/o"}))

    first = keep("one").outputs
    assert keep("one").outputs == first, "the same may come twice"
    with pytest.raises(StoreError, match="x/o holds something else already"):
        keep("two")
    assert asyncio.run(store.get("x/o")) == b"one"


PROBE = ("helios-renderer", ("probe", "spec.json", "out"))
JOIN = ("helios-stitch", ("video.mp4", "000000.mp4", "000001.mp4"))


@pytest.mark.parametrize(("command", "args"), [PROBE, JOIN])
@pytest.mark.parametrize("name", ["PATH", "PYTHONPATH", "LD_PRELOAD", "HELIOS_BROWSER", "HOME", "FFREPORT"])
def test_a_job_can_not_have_an_own_command_run_other_code(
    name: str, command: str, args: tuple[str, ...], store: ArtifactStore, tmp_path: Path
) -> None:
    message = Payload.of(WorkerJob(command, args, env={"LANG": "C", name: "page"}), release="1", store=store.url)
    with pytest.raises(WorkerRefused, match=f"lets no job set {name} for {command}"):
        run(Worker(tmp_path / "worker", release="1"), message)


def test_a_command_of_the_deployments_is_found_without_the_jobs_path(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "cat").write_text("#!/bin/sh\necho not this")
    (tmp_path / "cat").chmod(0o755)
    worker = Worker(tmp_path / "worker", release="1", commands={"cat": ("cat", "a")})
    job = WorkerJob("cat", env={"PATH": str(tmp_path)}, inputs={"a": b"this"})
    assert run(worker, Payload.of(job, release="1", store=store.url)).stdout == "this"
    loaded = WorkerJob("cat", env={"LD_PRELOAD": "a"}, inputs={"a": b"this"})
    with pytest.raises(WorkerRefused, match="lets no job set LD_PRELOAD for cat"):
        run(worker, Payload.of(loaded, release="1", store=store.url))


@pytest.mark.parametrize(
    ("command", "args"),
    [
        ("helios-renderer", ()),
        ("helios-renderer", ("probe", "spec.json")),
        ("helios-renderer", ("probe", "spec.json", "out", "more")),
        ("helios-renderer", ("serve", "spec.json", "out")),
        ("helios-renderer", ("probe", "/etc/passwd", "out")),
        ("helios-renderer", ("probe", "spec.json", "../out")),
        ("helios-renderer", ("probe", "spec.json", "a/b")),
        ("helios-renderer", ("probe", "spec.json", "-o")),
        ("helios-renderer", ("probe", "spec.json\n", "out")),
        ("helios-stitch", ()),
        ("helios-stitch", ("video.mp4",)),
        ("helios-stitch", ("/tmp/video.mp4", "a.mp4")),
        ("helios-stitch", ("video.mp4", "/etc/passwd")),
        ("helios-stitch", ("video.mp4", "--help")),
        ("helios-stitch", ("video.mp4", "a.mp4", "-o/abs.mp4")),
        ("helios-stitch", ("video.mp4", "http://169.254.169.254/")),
        ("helios-stitch", ("video.mp4", "crypto+http:a")),
        ("helios-stitch", ("video.mp4", "concat:a|b")),
        ("helios-stitch", ("tee:a|b.mp4", "a.mp4")),
        ("helios-stitch", ("video.mp4", "")),
    ],
)
def test_own_commands_take_their_settings_and_no_other_arguments(
    command: str, args: tuple[str, ...], store: ArtifactStore, tmp_path: Path
) -> None:
    worker = Worker(tmp_path / "worker", release="1", commands={"helios-stitch": ("sh",)})
    for job, own in (PROBE, JOIN):
        assert worker.check(Payload.of(WorkerJob(job, own), release="1", store=store.url))
    with pytest.raises(WorkerRefused, match=f"{command} does not take the arguments"):
        worker.check(Payload.of(WorkerJob(command, args), release="1", store=store.url))


@pytest.mark.parametrize(
    "args",
    [
        ("-f", "lavfi", "-i", "frei0r=filter_name=./evil", "out.mp4"),
        ("-i", "crypto+http://169.254.169.254/", "out.mp4"),
        ("-i", "in.mp4", "-f", "tee", "out.mp4|/tmp/escaped"),
        ("-i", "in.mp4", "-o/tmp/escaped"),
        ("-version",),
    ],
)
def test_a_foreign_command_runs_only_where_the_deployment_allows_it(
    args: tuple[str, ...], store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    message = Payload.of(WorkerJob("ffmpeg", args), release="1", store=store.url)
    with pytest.raises(WorkerRefused) as refused:
        run(local_worker("1"), message)
    assert str(refused.value) == (
        "the worker runs Helios' own commands, and not 'ffmpeg': to allow it, "
        "helios deploy aws|gcp --allow-command ffmpeg"
    )
    monkeypatch.setenv("HELIOS_COMMANDS", "true, ffmpeg")
    assert local_worker("1").check(message)[1:] == args
    with pytest.raises(WorkerRefused, match="own commands and ffmpeg, true, and not 'sh'"):
        run(local_worker("1"), Payload.of(WorkerJob("sh"), release="1", store=store.url))


def test_a_segment_that_leads_to_other_files_is_not_joined(store: ArtifactStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    write_video(secret, 5)
    lists = {
        "concat.mp4": f"ffconcat version 1.0\nfile 'file:{secret}'\n",
        "hls.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n",
    }
    for name, text in lists.items():
        job = WorkerJob("helios-stitch", ("video.mp4", name), inputs={name: text.encode()}, outputs={"video.mp4": name})
        result = run(Worker(tmp_path / "worker", release="1"), Payload.of(job, release="1", store=store.url))
        assert result.exit_code != 0
        assert f"{name} can't be read" in result.stderr
    assert asyncio.run(store.sizes("")) == {}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"root": "/etc", "entry": "passwd"}, "the page's folder /etc is outside of the job's folder"),
        ({"root": "..", "entry": "a.html"}, "is outside of the job's folder"),
        ({"root": None, "entry": "file:///etc/passwd"}, "file:///etc/passwd is not an http or https address"),
    ],
)
def test_a_page_that_did_not_come_with_the_job_is_refused(
    source: dict[str, Any], message: str, store: ArtifactStore, tmp_path: Path
) -> None:
    spec = ProbeSpec(source=Source.model_validate(source), declared=Declared()).model_dump_json().encode()
    job = WorkerJob("helios-renderer", ("probe", "spec.json", "o"), inputs={"spec.json": spec})
    result = run(Worker(tmp_path / "worker", release="1"), Payload.of(job, release="1", store=store.url))
    assert result.exit_code == EXIT_CODES[WorkerRefused]
    assert message in result.stdout


@pytest.mark.parametrize("script", ["os.symlink('/etc/passwd', 'o')", "os.mkdir('o')", "os.symlink('/etc', 'd')"])
def test_an_output_that_is_no_plain_file_of_the_job_is_refused(
    script: str, store: ArtifactStore, worker: Worker
) -> None:
    name = "d/passwd" if "'d'" in script else "o"
    with pytest.raises(Exception, match="no plain file of the job's own"):
        run(worker, payload(store, f"import os; {script}", outputs={name: "x/o"}))
    assert asyncio.run(store.sizes("x")) == {}


def test_another_version_another_command_and_another_store_are_refused(store: ArtifactStore, tmp_path: Path) -> None:
    worker = Worker(tmp_path / "worker", release="1", commands=PYTHON, store=store.url + "/mine")
    mine = ArtifactStore.at(tmp_path / "store" / "mine")
    assert run(worker, payload(mine, "pass")).exit_code == 0
    with pytest.raises(WorkerRefused, match="is Helios 1, the job is of Helios 2: deploy that version"):
        run(worker, payload(mine, "pass", release="2"))
    with pytest.raises(WorkerRefused, match="and not at"):
        run(worker, payload(store, "pass"))
    shell = payload(mine, "pass").model_copy(update={"command": "sh"})
    with pytest.raises(WorkerRefused, match="own commands and python, and not 'sh'"):
        run(worker, shell)


def test_an_input_that_is_gone_or_not_what_it_was_ends_the_job(
    store: ArtifactStore, worker: Worker, tmp_path: Path
) -> None:
    (tmp_path / "a").write_text("a")
    artifact = kept(store, tmp_path / "a", "inputs/a")
    (tmp_path / "store" / "inputs" / "a").write_text("b")
    with pytest.raises(StoreError, match="has changed since it was stored"):
        run(worker, payload(store, "pass", inputs={"a": artifact}))
    (tmp_path / "store" / "inputs" / "a").unlink()
    with pytest.raises(ArtifactMissing):
        run(worker, payload(store, "pass", inputs={"a": artifact}))


def test_what_runs_too_long_is_ended_with_all_that_it_started(store: ArtifactStore, worker: Worker) -> None:
    script = "import subprocess, time; subprocess.Popen(['sleep', '600']); time.sleep(600)"
    with pytest.raises(WorkerTimeout, match=r"time-out of 0\.5 s"):
        run(worker, payload(store, script, timeout=0.5))
    with pytest.raises(WorkerTimeout, match=r"time-out of 0\.4 s"):
        run(worker, payload(store, script), seconds=0.4)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2)")
def test_what_has_left_the_group_of_a_job_ends_with_it(store: ArtifactStore, tmp_path: Path) -> None:
    script = (
        "import os, sys\n"
        "if os.fork(): os.wait(); sys.exit()\n"
        "os.setsid()\n"
        "if os.fork(): sys.exit()\n"
        "[os.close(k) for k in (1, 2)]; os.environ.clear(); os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
    )
    worker = Worker(tmp_path / "worker", release="1", commands=PYTHON, repro=True)
    mark = f"import time; time.sleep(600)  # {tmp_path}"
    assert run(worker, payload(store, script, mark)).exit_code == 0
    assert [found for found in psutil.process_iter(["cmdline"]) if mark in (found.info["cmdline"] or ())] == []


def test_what_a_killed_worker_has_left_is_gone_before_the_next_job(store: ArtifactStore, tmp_path: Path) -> None:
    work = (
        "import asyncio, sys; from pathlib import Path; from helios.worker.message import Payload\n"
        "from helios.worker.runtime import Worker\n"
        "worker = Worker(Path(sys.argv[1]), release='1', commands={'sleep': ('sleep', '600')})\n"
        "asyncio.run(worker.run(Payload.read(sys.argv[2], '1')))"
    )
    folder = tmp_path / "worker"
    message = Payload.of(WorkerJob("sleep", inputs={"secret": b"secret"}), release="1", store=store.url)
    command = [sys.executable, "-c", work, str(folder), message.model_dump_json()]
    with subprocess.Popen(command, start_new_session=True) as killed:
        wait_until(lambda: list(folder.glob("job-*/secret")), "a job")
        worker = Worker(folder, release="1", commands=PYTHON)
        look = payload(store, "import glob; print(len(glob.glob('../job-*')), len(glob.glob('../job-*/secret')))")
        assert run(worker, look).stdout == "2 1\n", "what is under way is left alone"
        sleeping = psutil.Process(killed.pid).children()
        killed.kill()
        for process in sleeping:
            process.kill()
    assert run(worker, look).stdout == "1 0\n"


def test_a_command_that_is_not_there_is_said(store: ArtifactStore, tmp_path: Path) -> None:
    worker = Worker(tmp_path / "worker", release="1", commands={"python": ("/no/such/python",)})
    with pytest.raises(CommandNotFound, match="no command"):
        run(worker, payload(store, "pass"))


def test_a_warm_worker_keeps_bundles_but_not_too_many(store: ArtifactStore, tmp_path: Path) -> None:
    bundles: list[Artifact] = []
    for k in range(3):
        folder = tmp_path / f"page{k}"
        folder.mkdir()
        (folder / "a.txt").write_text(f"{k}")
        bundle = pack(folder, tmp_path / f"bundle{k}")
        bundles.append(kept(store, bundle.path, bundle.key))
    size = max(bundle.size for bundle in bundles)
    worker = Worker(tmp_path / "worker", release="1", commands=PYTHON, cache=2 * size)
    cache = tmp_path / "worker" / "bundles"

    def draw(k: int) -> str:
        return run(worker, payload(store, "print(open('page/a.txt').read())", inputs={"page/": bundles[k]})).stdout

    assert [draw(k) for k in (0, 1)] == ["0\n", "1\n"]
    (tmp_path / "store" / bundles[0].key).unlink()
    assert draw(0) == "0\n", "it is not asked for twice"
    assert draw(2) == "2\n"
    assert {path.name for path in cache.iterdir()} == {bundles[0].digest, bundles[2].digest}, "the oldest is gone"
    lie = replace(bundles[1], size=0)
    assert run(worker, payload(store, "pass", inputs={"page/": lie})).exit_code == 0
    assert {path.name for path in cache.iterdir()} == {bundles[1].digest, bundles[2].digest}, "sizes are not believed"
    (cache / bundles[2].digest).write_bytes(b"tampered")
    assert draw(2) == "2\n", "what was changed is taken from the store again"


def test_a_bundle_is_the_same_wherever_it_is_packed_and_leaves_what_is_hidden(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "b").mkdir(parents=True)
        (folder / "b" / "ä b.txt").write_text("text")
        (folder / "a.html").write_text("<p>")
        (folder / ".env").write_text("SECRET=1")
        (folder / ".git").mkdir()
        (folder / ".git" / "config").write_text("x")
        (folder / "out").symlink_to("/etc/passwd")
    one, two = (pack(tmp_path / name, tmp_path / f"{name}.bundle") for name in ("one", "two"))
    assert one.digest == two.digest
    assert set(one.stamps) == {"a.html", "b/ä b.txt"}
    (tmp_path / "two" / "a.html").write_text("<b>")
    assert pack(tmp_path / "two", tmp_path / "two.bundle").digest != one.digest
    with one.path.open("rb") as file:
        unpack(file, tmp_path / "unpacked")
    assert (tmp_path / "unpacked" / "b" / "ä b.txt").read_text() == "text"


def test_the_store_tells_how_far_a_job_is_and_can_end_it(store: ArtifactStore, worker: Worker, tmp_path: Path) -> None:
    script = "import time\nfor k in range(30): print(f'openjd_progress: {k}', flush=True)\ntime.sleep(600)"
    progress = tmp_path / "store" / "progress"

    async def work() -> Heartbeat:
        running = asyncio.create_task(worker.run(payload(store, script)))
        await asyncio.to_thread(wait_until, (progress / "1").exists, "a sign of life")
        heartbeat = Heartbeat.model_validate_json(await store.get("progress/1"))
        await store.put("progress/1.stop", b"")
        failure = (await running).failure
        assert failure
        assert failure.code == Cancelled.code
        return heartbeat

    heartbeat = asyncio.run(work())
    assert (heartbeat.lines, heartbeat.tail[-1]) == (30, "openjd_progress: 29")
    assert heartbeat.memory_mb > 1
    assert left(tmp_path / "worker") == []


def test_a_folder_that_is_not_here_is_no_empty_bundle(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no folder .*/page: .* needs its page at the same path"):
        pack(tmp_path / "page", tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
