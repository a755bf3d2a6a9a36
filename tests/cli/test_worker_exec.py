"""The worker that clouds run, by hand."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import helios
from helios.storage import ArtifactStore
from helios.worker import WorkerJob
from helios.worker.message import JobResponse, Payload


def execute(*arguments: str, text: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "helios", "worker", "exec", *arguments]
    return subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **env}
    )


@pytest.fixture
def payload(tmp_path: Path) -> Payload:
    store = ArtifactStore.at(tmp_path / "store")
    job = WorkerJob("/bin/sh", ("-c", "cat in > out; echo said"), inputs={"in": b"data"}, outputs={"out": "made/out"})
    return Payload.of(job, release=helios.__version__, store=store.url, progress="progress/1")


def test_a_payload_is_run_and_its_answer_printed(payload: Payload, tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text(payload.model_dump_json())
    env = {"HELIOS_COMMANDS": "/bin/sh", "TMPDIR": str(tmp_path)}
    for done in (execute(str(path), **env), execute("-", text=payload.model_dump_json(), **env)):
        assert done.returncode == 0, done.stderr
        answer = JobResponse.model_validate_json(done.stdout)
        assert (answer.exit_code, answer.stdout, answer.outputs["out"].size) == (0, "said\n", 4)
    assert (tmp_path / "store" / "made" / "out").read_text() == "data"
    assert [found for found in (tmp_path / "helios").iterdir() if found.name != "bundles"] == []


def test_what_is_refused_is_said_and_ends_with_1(payload: Payload, tmp_path: Path) -> None:
    done = execute("-", text=payload.model_dump_json(), TMPDIR=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (
        "helios: the worker runs Helios' own commands, and not '/bin/sh': to allow it, "
        "helios deploy aws|gcp --allow-command /bin/sh\n"
    )
    assert JobResponse.model_validate_json(done.stdout).failure


def test_bad_input_is_one_clear_line(payload: Payload, tmp_path: Path) -> None:
    other = json.dumps({**json.loads(payload.model_dump_json()), "version": 2})
    for text, message in (("{", "is no payload"), (other, "is no payload: version: Input should be 1")):
        done = execute("-", text=text)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert message in done.stderr
    gone = execute(str(tmp_path / "none.json"))
    assert (gone.returncode, gone.stderr.count("\n")) == (2, 1)
    cache = execute("-", text=payload.model_dump_json(), HELIOS_CACHE_MB="much")
    assert (cache.returncode, cache.stderr.count("\n")) == (2, 1)
    assert "HELIOS_CACHE_MB" in cache.stderr
