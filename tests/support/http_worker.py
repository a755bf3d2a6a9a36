"""Runs the HTTP worker in its own process."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.processes import wait_until


@dataclass
class Served:
    """A worker that accepts jobs at ``url``."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)


@contextmanager
def served(*options: str, **environment: str) -> Generator[Served]:
    """Yields a worker that runs until the end of the block."""
    command = [sys.executable, "-P", "-m", "helios", "worker", "serve", "--port", "0", *options]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        log = Path(folder, "log")
        env = {**os.environ, "TMPDIR": folder, **environment}
        with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file, env=env) as process:
            try:
                wait_until(lambda: _url(log) or process.poll() is not None, "the worker", 60)
                assert _url(log), log.read_text("utf-8")
                yield Served(_url(log), process, log)
            finally:
                process.terminate()
                process.wait()


def _url(log: Path) -> str:
    found = re.search(r"taken at (http://[\d.:]+)/jobs", log.read_text("utf-8"))
    return found[1] if found else ""
