"""An AWS account of moto's, empty before each test; and the root file system of the worker's image."""

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


@pytest.fixture(scope="session")
def image() -> Path:
    if os.geteuid() != 0:
        pytest.skip("making the image's root file system needs root")
    if not shutil.which("apt-get"):
        pytest.skip("making the image's root file system needs Debian")
    made = subprocess.run([sys.executable, ROOT / "scripts" / "image.py"], capture_output=True, text=True, timeout=600)
    assert made.returncode == 0, made.stderr
    return Path(made.stdout.strip())
