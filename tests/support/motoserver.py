"""Runs AWS locally: moto's server, in its own process. (A module called moto would hide the package.)"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.processes import wait_until


@contextmanager
def moto_server(**settings: str) -> Generator[str]:
    """Yields the URL of an empty AWS. Within the block, environment variables point all AWS clients to it only.

    ``settings`` are moto's own, as environment variables.
    """
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    without = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | settings
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "moto.log")
        with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file, env=without) as server:
            try:
                wait_until(lambda: _url(log) or server.poll() is not None, "moto's server", 60)
                url = _url(log)
                assert url, log.read_text("utf-8")
                with _leading_to(url):
                    yield url
            finally:
                server.kill()


@contextmanager
def _leading_to(url: str) -> Generator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ENDPOINT_URL", url)
        patch.setenv("AWS_ALLOW_HTTP", "true")
        patch.setenv("AWS_REGION", "eu-central-1")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


def _url(log: Path) -> str:
    """Reads the server's URL from its log, or returns '' before it listens."""
    found = re.search(r"Running on (http://[\d.:]+)\s", log.read_text("utf-8"))
    return found[1] if found else ""
