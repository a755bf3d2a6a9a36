"""Ctrl-C and SIGTERM leave no process and no file."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from support.processes import alive, descendants, wait_until

PAGE = "<!doctype html><script>(function loop(t) { document.body.textContent = t; requestAnimationFrame(loop) })()</script><body>"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("moment", ['"render-planned"', '"chunk-progressed"'])
def test_a_stopped_render_leaves_no_process_and_no_file(
    number: signal.Signals, code: int, moment: str, tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(PAGE.replace("<script>", "<body><script>"))
    output = tmp_path / "output"
    output.mkdir()
    command = [sys.executable, "-m", "helios", "render", str(tmp_path / "page.html"), "-o", str(output / "a.mp4")]
    command += ["--frames", "9999", "--workers", "2", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
        assert job.stdout
        assert any(moment in line for line in job.stdout)
        family: list[psutil.Process] = descendants(job.pid)
        job.send_signal(number)
        message = job.communicate(timeout=60)[1]
    assert job.returncode == code
    assert "Traceback" not in message
    wait_until(lambda: not any(alive(process) for process in family), "workers and browsers to end")
    assert list(output.iterdir()) == []
