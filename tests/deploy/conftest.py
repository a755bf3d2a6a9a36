"""An AWS account (moto's) and a Google Cloud project, empty before each test; the worker's image as a root file system."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.aws_account import Account
from support.google_cloud import GoogleCloud, google_cloud
from support.motoserver import moto_server

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with ExitStack() as stack:
        yield stack.enter_context(moto_server())


@pytest.fixture
def account(moto: str) -> Account:
    with urllib.request.urlopen(urllib.request.Request(f"{moto}/moto-api/reset", method="POST")) as answer:
        assert json.load(answer) == {"status": "ok"}
    return Account()


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GoogleCloud]:
    monkeypatch.setattr("helios.clouds.gcp.build.POLL", 0.0)
    monkeypatch.setattr("helios.clouds.gcp.build.RETRY_PAUSE", 0.0)
    monkeypatch.setattr("helios.clouds.gcp.deploy.PAUSE", 0.0)
    with google_cloud(tmp_path) as found:
        yield found


@pytest.fixture(scope="session")
def image() -> Path:
    if os.geteuid() != 0:
        pytest.skip("building the image's root file system needs root")
    if not shutil.which("apt-get"):
        pytest.skip("building the image's root file system needs Debian")
    built = subprocess.run([sys.executable, ROOT / "scripts" / "image.py"], capture_output=True, text=True, timeout=600)
    assert built.returncode == 0, built.stderr
    return Path(built.stdout.strip())
