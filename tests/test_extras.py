"""Who has not installed an extra is told which one it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

AWS = 'helios: AWS needs the extra "aws": pip install "helios-render[aws]"\n'
GCP = 'helios: Google Cloud needs the extra "gcp": pip install "helios-render[gcp]"\n'
HTTP = 'helios: serving needs the extra "http": pip install "helios-render[http]"\n'
WITHOUT = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in {missing!r} else PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
"""


@pytest.mark.parametrize(
    ("missing", "command", "message"),
    [
        ("aiobotocore", "deploy list", AWS),
        ("google.cloud", "estimate page.html --adapter gcp --service https://a.example --store gs://b", GCP),
        ("google.cloud.run_v2", "deploy gcp --dry-run", GCP.replace("Google Cloud", "deploying")),
        ("starlette", "worker serve --behind-iam --port 0", HTTP),
        ("google", "worker serve --behind-iam --port 0", HTTP),
    ],
)
def test_an_extra_that_is_not_installed_is_named(missing: str, command: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>a</p>")
    (tmp_path / "sitecustomize.py").write_text(WITHOUT.format(missing=[missing]))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    found = subprocess.run(
        [sys.executable, "-m", "helios", *command.split()],
        env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (found.stderr, found.returncode) == (message, 1)
