"""Installs the peers into .work/, without any browser of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from benchmarks.contenders import PEERS
from benchmarks.scenes import HERE, WORK

_NO_BROWSERS = {"PUPPETEER_SKIP_DOWNLOAD": "1", "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1", "DO_NOT_TRACK": "1"}
_AFTERWARDS = {"remotion": ["npx", "remotion", "bundle", "index.jsx", "--out-dir=bundle", "--log=error"]}


def install() -> int:
    """Installs every peer that can be installed here; returns 1 if one can't."""
    return max(_install_dask(), *(_install(name) for name in PEERS))


def _install_dask() -> int:
    home = WORK / "dask"
    for command in ([sys.executable, "-m", "venv", str(home)], [str(home / "bin/pip"), "install", "-q", "distributed"]):
        if subprocess.run(command, check=False).returncode:
            sys.stderr.write(f"benchmarks: Dask can't be installed here: {' '.join(command)} failed\n")
            return 1
    sys.stderr.write("benchmarks: Dask is installed\n")
    return 0


def _install(name: str) -> int:
    home = WORK / name
    (home / "ready").unlink(missing_ok=True)
    shutil.copytree(HERE / "peers" / name, home, dirs_exist_ok=True)
    for command in (["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], _AFTERWARDS.get(name)):
        if command and subprocess.run(command, cwd=home, env={**os.environ, **_NO_BROWSERS}, check=False).returncode:
            sys.stderr.write(f"benchmarks: {name} can't be installed here: {' '.join(command)} failed\n")
            return 1
    (home / "ready").touch()
    sys.stderr.write(f"benchmarks: {name} is installed\n")
    return 0
