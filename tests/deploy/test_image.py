"""The worker's image: its build context, and rendering in it under the limits of Lambda."""

import asyncio
import importlib.metadata
import io
import itertools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from fractions import Fraction
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import NoReturn

import pytest
from packaging.requirements import Requirement

from helios.clouds.gcp.service import COMMAND
from helios.clouds.image.context import build_context, digest
from helios.composition import Composition, Declared, Source
from helios.release import __version__
from helios.renderer.messages import (
    FAST,
    CaptureChoice,
    CaptureMethod,
    ChunkReport,
    ChunkSpec,
    Encoding,
    Probe,
    ProbeSpec,
)
from helios.storage import ArtifactStore, pack
from helios.worker import Artifact, WorkerJob
from helios.worker.message import Payload
from support.lambda_environment import EMULATOR

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
JOB = Path("/tmp/job")
SOURCE = Source(root=Path("project"), entry="page.html")
OUT = "out.mp4"
ANSWERS = {"chunk": f"{OUT}.json", "probe": OUT}
FRAMES = 6
LIMIT_S = 120

DOM = """<!doctype html><meta charset=utf-8><style>
@font-face { font-family: ours; src: url(font.ttf) }
body { margin: 0; background: linear-gradient(#246, #864) }
#box { width: 64px; height: 64px; border-radius: 16px; box-shadow: 0 4px 12px #000; background: #fc0; font: 40px ours }
</style><div id=box>Ae</div>
<script>helios.seek = (s) => (box.style.transform = `translate(${300 * s}px, 40px) rotate(${90 * s}deg)`);</script>"""
CANVAS = """<!doctype html><body style="margin:0"><canvas id=c width=320 height=180 style="display:block"></canvas><script>
const x = c.getContext("2d"); helios.seek = (s) => { x.fillStyle = "#246"; x.fillRect(0, 0, 320, 180);
x.fillStyle = "#fc0"; x.beginPath(); x.arc(40 + 300 * s, 90, 30, 0, 7); x.fill(); };</script>"""
Spec = ChunkSpec | ProbeSpec
PAGES: dict[CaptureMethod, str] = {"begin-frame": DOM, "stage": DOM, "canvas": CANVAS}


# The build context.


def members(context: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(context)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(contents: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_the_same_content_gives_the_same_context() -> None:
    assert build_context() == build_context()


def test_a_digest_depends_on_names_and_contents_only() -> None:
    context = build_context()
    contents = members(context)
    named = digest(context)
    assert digest(zipped(dict(reversed(contents.items())))) == named
    others = [
        zipped({**contents, "Dockerfile": contents["Dockerfile"] + b"\n"}),
        zipped({**contents, "more": b""}),
        zipped({name.replace("Docker", "docker"): content for name, content in contents.items()}),
    ]
    assert len({named, *map(digest, others)}) == 4


def test_a_context_has_the_source_of_helios_and_nothing_compiled() -> None:
    contents = members(build_context())
    source = ROOT / "src"
    here = {
        str(path.relative_to(source)): path.read_bytes() for path in (source / "helios").rglob("*") if path.is_file()
    }
    compiled = {name for name in here if "__pycache__" in name}
    ours = {name: content for name, content in contents.items() if name.startswith("helios/")}
    assert ours == {name: content for name, content in here.items() if name not in compiled}


LOCK = "requirements.txt"
BUILD = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
for name in ("helios", "helios.clouds"):  # these are not run: what they need is not installed for this Python
    folder = f"{sys.argv[1]}/{name.replace('.', '/')}"
    spec = spec_from_file_location(name, f"{folder}/__init__.py", submodule_search_locations=[folder])
    sys.modules[name] = module_from_spec(spec)
from helios.clouds.image.context import build_context
sys.stdout.buffer.write(build_context())
"""


def interpreter(version: str) -> str:
    found = shutil.which(f"python{version}")
    others = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python{version}"))
    if not found and not others:
        pytest.skip(f"no Python {version} here")
    return str(others[-1]) if others else str(found)


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_a_context_is_the_same_from_every_python(version: str, tmp_path: Path) -> None:
    command = [interpreter(version), "-I", "-B", "-c", BUILD, str(ROOT / "src")]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout == build_context()


def test_a_context_does_not_depend_on_installed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    before = build_context()
    monkeypatch.setattr(sys, "version_info", (3, 13, 0, "final", 0))
    monkeypatch.setattr(platform, "python_version", lambda: "3.13.0")

    def distribution(name: str) -> NoReturn:
        raise PackageNotFoundError(name)

    for module in (importlib.metadata, sys.modules["helios.clouds.image.context"]):
        monkeypatch.setattr(module, "distribution", distribution, raising=False)
        monkeypatch.setattr(module, "version", distribution, raising=False)
    assert build_context() == before


def test_the_lock_file_has_all_packages_of_a_worker_and_no_url() -> None:
    text = members(build_context())[LOCK].decode()
    assert re.fullmatch(r"([a-z0-9-]+==[\w.]+\n)+", text)
    locked = dict(line.split("==") for line in text.splitlines())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    groups = (project["project"]["dependencies"], extras["aws"], extras["http"], project["dependency-groups"]["image"])
    for wanted in map(Requirement, itertools.chain(*groups)):
        assert wanted.specifier.contains(locked[wanted.name]), wanted
    assert not {"helios-render", "pytest", "moto"} & locked.keys()


# Its root file system, in a place like Lambda.


def in_lambda(
    image: Path, folder: Path, *command: str, without: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Runs a command in the image, in a copy of ``folder``/job."""
    (folder / "root").mkdir(exist_ok=True)
    (folder / "job").mkdir(exist_ok=True)
    config = json.loads((image.parent / "config.json").read_text())
    env = [f"{name}={value}" for name, value in config["Env"].items() if name not in without]
    place = ["bwrap", "--die-with-parent", "--dev-bind", "/", "/", "--unshare-pid", "--unshare-net", "--unshare-ipc"]
    place += ["taskset", "--cpu-list", "0,1", "sh", str(HERE / "lambda.sh"), str(image), str(folder)]
    return subprocess.run(
        [*place, "env", "-i", "-C", str(JOB), *env, *command],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S,
    )  # fmt: skip


FACTS = """
import json, os
status = dict(line.split(":\\t") for line in open("/proc/self/status") if ":\\t" in line)
rights = [status[name].strip() for name in ("CapBnd", "NoNewPrivs")]
print(json.dumps([os.getuid(), os.getcwd(), sorted(os.listdir("/dev")), os.listdir("/tmp"), *rights]))"""


def test_the_sandbox_has_the_limits_of_lambda(image: Path, tmp_path: Path) -> None:
    def refused(script: str) -> str:
        done = in_lambda(image, tmp_path, "python", "-c", script)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stderr.splitlines()[-1]

    done = in_lambda(image, tmp_path, "python", "-c", FACTS)
    devices = ["full", "null", "random", "urandom", "zero"]
    assert json.loads(done.stdout) == [993, str(JOB), devices, ["job"], "0000000000000000", "1"], done.stderr
    for path in ("/file", "/opt/helios/file", "/var/tmp/file", "/dev/file", "/home/file"):
        assert refused(f"open({path!r}, 'w')").startswith(("OSError: [Errno 30]", "PermissionError"))
    assert refused("import os; os.mkdir('/dev/shm')").startswith("OSError: [Errno 30]")
    assert "unreachable" in refused("import socket; socket.create_connection(('192.0.2.1', 80))")
    namespace = in_lambda(image, tmp_path, "unshare", "--user", "true")
    assert "Operation not permitted" in namespace.stderr


RENDERER = ("-P", "-m", "helios.renderer")


def renders(image: Path, folder: Path, kind: str, spec: Spec) -> str:
    """Runs the image's renderer; returns the report of a chunk, or a probe's result."""
    (folder / "job" / "spec.json").write_text(spec.model_dump_json())
    script = f'"$@" >&2 && cat {ANSWERS[kind]}'
    done = in_lambda(image, folder, "sh", "-c", script, "sh", "python", *RENDERER, kind, "spec.json", OUT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def renders_here(folder: Path, kind: str, spec: Spec) -> str:
    """Runs this machine's renderer."""
    (folder / "spec.json").write_text(spec.model_dump_json())
    command = [sys.executable, *RENDERER, kind, "spec.json", OUT]
    env = {**os.environ, "TMPDIR": str(folder)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return (folder / ANSWERS[kind]).read_text()


def write_page(folder: Path, html: str) -> Path:
    """Creates a project with a page and a font in the job's folder, and returns the folder."""
    job = folder / "job"
    (job / "project").mkdir(parents=True)
    (job / "project" / "page.html").write_text(html)
    font = next(path for path in Path("/usr/share/fonts").rglob("DejaVuSerif-Bold.ttf"))
    shutil.copy(font, job / "project" / "font.ttf")
    return job


def look(capture: CaptureChoice) -> ProbeSpec:
    return ProbeSpec(source=SOURCE, declared=Declared(width=320, height=180, frames=FRAMES), capture=capture)


@pytest.fixture(scope="session")
def same_browser(image: Path, tmp_path_factory: pytest.TempPathFactory) -> bool:
    """Whether the image has the browser of this machine."""
    folder = tmp_path_factory.mktemp("browsers")
    job = write_page(folder, DOM)
    there = Probe.model_validate_json(renders(image, folder, "probe", look("faithful")))
    return there.browser == Probe.model_validate_json(renders_here(job, "probe", look("faithful"))).browser


@pytest.mark.parametrize("method", PAGES)
def test_a_chunk_rendered_in_the_image_equals_one_of_this_machine(
    method: CaptureMethod, image: Path, same_browser: bool, tmp_path: Path
) -> None:
    job = write_page(tmp_path, PAGES[method])
    video = Composition(source=SOURCE, width=320, height=180, fps=Fraction(30), frames=FRAMES)
    spec = ChunkSpec(composition=video, start=2, stop=FRAMES, encoding=Encoding(), capture=method, motion="seek")
    there = ChunkReport.model_validate_json(renders(image, tmp_path, "chunk", spec))
    assert (there.start, there.stop) == (2, FRAMES)
    assert len(set(there.hashes)) == FRAMES - 2, "every frame is another"
    if same_browser:
        assert there.hashes == ChunkReport.model_validate_json(renders_here(job, "chunk", spec)).hashes


def test_a_probe_chooses_fast_capture_in_the_image(image: Path, tmp_path: Path) -> None:
    write_page(tmp_path, DOM)
    found = Probe.model_validate_json(renders(image, tmp_path, "probe", look("auto")))
    assert found.capture in FAST
    assert found.comparison
    assert found.comparison.agree


STORE = JOB / "store"


def write_payload(folder: Path) -> ChunkSpec:
    """A job for a chunk of a page whose folder comes from the store as a bundle, as ``payload.json`` in the job's
    folder. The store is in that folder too.
    """
    job = write_page(folder, DOM)
    video = Composition(source=SOURCE, width=320, height=180, fps=Fraction(30), frames=FRAMES)
    spec = ChunkSpec(composition=video, start=0, stop=FRAMES, encoding=Encoding(), capture="stage", motion="seek")
    bundle = pack(job / "project", folder / "bundle")
    asyncio.run(ArtifactStore.at(job / "store").put(bundle.key, bundle.path))
    work = WorkerJob(
        "helios-renderer",
        ("chunk", "spec.json", OUT),
        inputs={
            "project/": Artifact(bundle.key, bundle.digest, bundle.size),
            "spec.json": spec.model_dump_json().encode(),
        },
        outputs={OUT: "segment", ANSWERS["chunk"]: "report"},
    )
    message = Payload.of(work, release=__version__, store=f"file://{STORE}", progress="progress")
    (job / "payload.json").write_text(message.model_dump_json())
    return spec


def check_report(done: subprocess.CompletedProcess[str], spec: ChunkSpec, job: Path, same_browser: bool) -> None:
    assert done.returncode == 0, done.stderr
    report = ChunkReport.model_validate_json(done.stdout)
    assert len(set(report.hashes)) == FRAMES
    if same_browser:
        assert report.hashes == ChunkReport.model_validate_json(renders_here(job, "chunk", spec)).hashes


def test_the_image_starts_as_a_function_that_renders(image: Path, same_browser: bool, tmp_path: Path) -> None:
    spec, job = write_payload(tmp_path), tmp_path / "job"
    shutil.copy(HERE / "invoke.py", job)
    shutil.copy(EMULATOR, job / "emulator")
    config = json.loads((image.parent / "config.json").read_text())
    command = [*config["ENTRYPOINT"], *config["CMD"]]
    done = in_lambda(image, tmp_path, "python", "invoke.py", "./emulator", "payload.json", f"{STORE}/report", *command)
    check_report(done, spec, job, same_browser)


def test_the_image_starts_as_a_cloud_run_service(image: Path, same_browser: bool, tmp_path: Path) -> None:
    spec, job = write_payload(tmp_path), tmp_path / "job"
    shutil.copy(HERE / "post.py", job)
    done = in_lambda(image, tmp_path, "python", "post.py", "payload.json", f"{STORE}/report", *COMMAND)
    check_report(done, spec, job, same_browser)


def test_a_job_can_not_read_the_workers_credentials(image: Path, tmp_path: Path) -> None:
    job = tmp_path / "job"
    job.mkdir()
    script = "cat /proc/$PPID/environ /proc/$PPID/status"
    work = WorkerJob("/bin/sh", ("-c", script), outputs={"out": "out"})
    message = Payload.of(work, release=__version__, store="file:///tmp/store", progress="progress")
    (job / "payload.json").write_text(message.model_dump_json())
    env = ["env", "HELIOS_COMMANDS=/bin/sh", "AWS_SECRET_ACCESS_KEY=secret"]
    done = in_lambda(image, tmp_path, *env, "python", "-m", "helios", "worker", "exec", "payload.json")
    assert "Permission denied" in done.stdout + done.stderr
    assert "Name:" in done.stdout, "the worker was found"
    assert "secret" not in done.stdout


def test_its_browser_needs_the_no_sandbox_setting(image: Path, tmp_path: Path) -> None:
    job = write_page(tmp_path, DOM)
    (job / "spec.json").write_text(look("faithful").model_dump_json())
    command = ["python", *RENDERER, "probe", "spec.json", OUT]
    done = in_lambda(image, tmp_path, *command, without=["HELIOS_NO_SANDBOX"])
    assert done.returncode == os.EX_TEMPFAIL, done.stderr
    assert "HELIOS_NO_SANDBOX=1" in done.stdout
