"""Adapters of installed packages, and adapter objects of the caller."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import helios
from helios.adapters import LocalTarget, LocalWorkerAdapter, Target, adapter_names, find_kind
from helios.api.targets import resolve_targets
from helios.jobs.journal import Journal
from helios.jobs.runner import run_job, start_runner
from helios.jobs.spec import JobSpec
from helios.worker import LineSink, WorkerJob, WorkerResult
from support.videos import frame_times

PAGE = """<!doctype html><meta name=helios content="width=64, height=64, fps=25, duration=0.2">
<style>@keyframes k{to{margin-left:50px}}p{animation:k 1s}</style><p>a</p>"""

PLUGIN = """
import asyncio, contextlib, subprocess, time
from pathlib import Path
from typing import Literal

from helios.adapters import AdapterKind, Target
from helios.worker import WorkerResult, collect_outputs


class TinyTarget(Target, frozen=True):
    kind: Literal["tiny"] = "tiny"
    log: Path = Path("{log}")


class TinyAdapter:
    store = None
    spent = None

    def __init__(self, log):
        self._log = log

    async def execute(self, job, on_line=None):
        with self._log.open("a") as log:
            log.write(" ".join(job.args) + "\\n")
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            job.command, *job.args, cwd=job.cwd, env=dict(job.env), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            stdout, stderr = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        for line in stdout.decode().splitlines():
            on_line and on_line(line)
        seconds = time.monotonic() - started
        return WorkerResult(
            process.returncode, stdout.decode(), stderr.decode(), seconds * 1000, collect_outputs(job)
        )


@contextlib.asynccontextmanager
async def open_tiny(target):
    yield TinyAdapter(target.log)


KIND = AdapterKind(TinyTarget, open_tiny)
WRONG = AdapterKind(TinyTarget, open_tiny)
"""


class Site:
    """A folder of installed packages, as pip would leave them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        folder.mkdir()

    def install(self, package: str, version: str, adapters: dict[str, str]) -> None:
        found = self.folder / f"{package.replace('-', '_')}-{version}.dist-info"
        found.mkdir()
        (found / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        lines = [f"{name} = {value}" for name, value in adapters.items()]
        (found / "entry_points.txt").write_text("\n".join(["[helios.adapters]", *lines, ""]))

    def commands(self) -> list[str]:
        return [line.split()[3] for line in self.log.read_text().splitlines() if "helios.renderer" in line]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    site = Site(tmp_path / "site")
    (site.folder / "tiny_helios.py").write_text(PLUGIN.replace("{log}", str(site.log)))
    site.install("tiny-helios", "1.2", {"tiny": "tiny_helios:KIND"})
    monkeypatch.syspath_prepend(str(site.folder))
    monkeypatch.delitem(sys.modules, "tiny_helios", raising=False)
    return site


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "page").mkdir()
    path = tmp_path / "page" / "index.html"
    path.write_text(PAGE)
    return path


def command(site: Site, *args: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(site.folder), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": paths}
    return subprocess.run(
        [sys.executable, "-m", "helios", *args], env=env, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_api_renders_with_an_adapter_of_a_package(site: Site, page: Path, tmp_path: Path) -> None:
    video = helios.render_sync(page, tmp_path / "a.mp4", adapter="tiny", workers=1)
    assert (video.frames, len(frame_times(tmp_path / "a.mp4"))) == (5, 5)
    assert set(site.commands()) == {"probe", "chunk"}


def test_the_command_renders_with_an_adapter_of_a_package_and_one_of_helios(
    site: Site, page: Path, tmp_path: Path
) -> None:
    found = command(site, "render", str(page), "-o", str(tmp_path / "a.mp4"), "--adapter", "tiny,local")
    assert found.returncode == 0, found.stderr
    assert len(frame_times(tmp_path / "a.mp4")) == 5
    assert "probe" in site.commands()


def test_a_job_is_stored_with_the_settings_of_its_adapter(site: Site, page: Path, tmp_path: Path) -> None:
    module = pytest.importorskip("tiny_helios")
    other = tmp_path / "other-log"
    target = module.TinyTarget(log=other, workers=1)
    spec = asyncio.run(helios.create_job(page, tmp_path / "a.mp4", adapter=[target, "local"]))
    stored = json.loads(spec.model_dump_json())
    assert stored["targets"][0] == {"kind": "tiny", "workers": 1, "log": str(other)}
    assert JobSpec.parse(json.dumps(stored), "job").targets == spec.targets
    found = command(site, "job", "run", str(_write(tmp_path / "job.json", stored)))
    assert found.returncode == 0, found.stderr
    assert len(frame_times(tmp_path / "a.mp4")) == 5


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([{"kind": "tiny", "size": 3}], "size: Extra inputs are not permitted"),
        (
            [{"kind": "missing"}],
            "adapter is local, aws, gcp, tiny, or several of them with commas between, not 'missing'",
        ),
        ([{"kind": "aws"}], "Field required"),
        ([{}], "the name of an adapter as its kind"),
        (["local"], "the name of an adapter as its kind"),
    ],
)
def test_settings_that_do_not_fit_are_one_clear_error(
    targets: list[Any], message: str, site: Site, page: Path, tmp_path: Path
) -> None:
    spec = asyncio.run(helios.create_job(page, tmp_path / "a.mp4"))
    with pytest.raises(helios.UsageError, match=message):
        JobSpec.parse(json.dumps({**json.loads(spec.model_dump_json()), "targets": targets}), "job")


def test_names_are_listed_without_loading_anything(site: Site) -> None:
    site.install("broken-helios", "0.1", {"broken": "no_such_module:KIND"})
    assert adapter_names() == ["local", "aws", "gcp", "broken", "tiny"]
    assert "tiny_helios" not in sys.modules


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("broken", "no_such_module:KIND", "'broken' of bad-helios 3 can't be loaded: ModuleNotFoundError: .*no_such"),
        ("broken", "bad_helios:KIND", "'broken' of bad-helios 3 can't be loaded: ZeroDivisionError"),
        ("broken", "tiny_helios:KINDS", "'broken' of bad-helios 3 can't be loaded: AttributeError"),
        ("broken", "tiny_helios:PLUGIN", "'broken' of bad-helios 3 can't be loaded"),
        ("broken", "tiny_helios:TinyTarget", "'broken' of bad-helios 3 is no AdapterKind: tiny_helios:TinyTarget"),
        ("broken", "tiny_helios:WRONG", 'settings of another kind: TinyTarget needs kind: Literal."broken"'),
        ("tiny", "tiny_helios:WRONG", "bad-helios 3 and tiny-helios 1.2 both have an adapter 'tiny'"),
    ],
)
def test_a_broken_package_is_named_and_breaks_no_other(name: str, value: str, message: str, site: Site) -> None:
    (site.folder / "bad_helios.py").write_text("1 / 0")
    site.install("bad-helios", "3", {name: value, "aws": value})
    with pytest.raises(helios.UsageError, match=message):
        asyncio.run(resolve_targets({"adapter": f"local,{name}"}))
    assert asyncio.run(resolve_targets({"adapter": "local"})) == ((LocalTarget(),), None)
    assert find_kind("aws").settings.__name__ == "LambdaTarget", "names of Helios' own are its own"


def test_options_of_another_adapter_are_refused(site: Site) -> None:
    with pytest.raises(helios.UsageError, match="a function is for --adapter aws"):
        asyncio.run(resolve_targets({"adapter": "tiny", "function": "a"}))
    with pytest.raises(helios.UsageError, match="a service is for --adapter gcp"):
        asyncio.run(resolve_targets({"adapter": "tiny,aws", "service": "a"}))


class Counting:
    """An adapter object of the caller: it counts its jobs."""

    store = None
    spent = None

    def __init__(self) -> None:
        self.jobs = 0
        self._local = LocalWorkerAdapter()

    async def execute(self, job: WorkerJob, on_line: LineSink | None = None) -> WorkerResult:
        self.jobs += 1
        return await self._local.execute(job, on_line)


def test_an_adapter_object_renders(page: Path, tmp_path: Path) -> None:
    adapter = Counting()
    video = helios.render_sync(page, tmp_path / "a.mp4", adapter=adapter, chunk_frames=3)
    assert (video.frames, adapter.jobs) == (5, 3), "a probe and two chunks"
    helios.render_sync(page, tmp_path / "b.mp4", adapter=[adapter, "local"], fresh=True)
    assert adapter.jobs > 3
    (result,) = helios.batch_sync(page, [{"id": 1}], str(tmp_path / "{id}.mp4"), adapter=adapter)
    assert result.error is None


def test_an_object_that_is_no_adapter_is_refused(page: Path, tmp_path: Path) -> None:
    for wrong in (object(), 3, [], ["local", None], LocalWorkerAdapter):
        with pytest.raises(
            helios.UsageError,
            match=r"is no adapter: an adapter is a name, or an object with execute|^adapter must be a string, Target, WorkerAdapter or a list",
        ):
            helios.render_sync(page, tmp_path / "a.mp4", adapter=wrong)  # type: ignore[arg-type]


def test_another_process_can_not_run_a_job_of_an_adapter_object(page: Path, tmp_path: Path) -> None:
    refused = "another process can't run a job whose adapter is an object: .* register the adapter"
    adapter = Counting()
    with pytest.raises(helios.UsageError, match=refused):
        asyncio.run(helios.submit(page, tmp_path / "a.mp4", adapter=adapter))
    spec = asyncio.run(helios.create_job(page, tmp_path / "a.mp4", adapter=adapter))
    journal = Journal()
    job = journal.create(spec)
    with pytest.raises(helios.UsageError, match=refused):
        start_runner(journal, job)
    elsewhere = subprocess.run(
        [sys.executable, "-m", "helios.jobs", str(journal.folder), job], capture_output=True, text=True, check=False
    )
    assert elsewhere.returncode != 0
    assert "another process can't run a job whose adapter is an object" in elsewhere.stderr
    assert journal.status(job).state == "queued", "the process that has the object can still run it"
    assert asyncio.run(run_job(journal, job)).frames == 5


def test_objects_and_settings_mix_with_names() -> None:
    adapter = Counting()
    targets, _ = asyncio.run(resolve_targets({"adapter": [adapter, "local, local", LocalTarget(), adapter]}))
    assert [target.kind for target in targets] == ["object", "local", "local"]
    assert all(isinstance(target, Target) for target in targets)


def _write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path
