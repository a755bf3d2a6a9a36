"""The image's own Python, an older one than most machines have, runs the tests of what a worker needs."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from support.gcs_server import gcs_program

ROOT = Path(__file__).parent.parent.parent
PACKAGES = sysconfig.get_path("purelib")
LIMIT_S = 600


def in_image(image: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in the image, which finds this source and these installed packages where they are here."""
    place = ["bwrap", "--die-with-parent", "--unshare-pid", "--unshare-net", "--ro-bind", str(image), "/"]
    place += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/mnt", "--dir", "/tmp/home"]
    for name in ("src", "tests", "examples", "pyproject.toml"):
        place += ["--ro-bind", str(ROOT / name), f"/mnt/{name}"]
    place += ["--ro-bind", PACKAGES, "/mnt/packages", "--chdir", "/mnt"]
    env = {
        "PATH": "/opt/helios/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": "/mnt/src:/mnt/packages",
        "HOME": "/tmp/home",
        "LANG": "C.UTF-8",
        "HELIOS_NO_SANDBOX": "1",
    }
    return subprocess.run([*place, *command], env=env, capture_output=True, text=True, timeout=LIMIT_S)


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="compiled packages are only shared within one Python")
@pytest.mark.parametrize(
    "tests",
    [
        ["tests/worker"],
        ["tests/storage"],
        ["tests/renderer/test_server.py", "tests/renderer/test_frame_diff.py", "tests/renderer/test_probe_size.py"],
        ["tests/renderer/test_proxy.py", "-k", "addresses_that or name_leads"],
    ],
    ids=lambda tests: tests[0],
)
def test_the_images_python_passes_the_tests_of_a_worker(tests: list[str], image: Path) -> None:
    gcs_program()
    done = in_image(image, "python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    assert done.returncode == os.EX_OK, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
