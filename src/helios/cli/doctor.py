"""``helios doctor``."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

import helios
from helios.errors import HeliosError
from helios.renderer.browser.launch import find_browser
from helios.stitcher.binary import find_ffmpeg

_FONT_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/Library/Fonts",
)
_FONT_ENDINGS = {".ttf", ".otf", ".ttc", ".woff2", ".pfb"}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was looked at. ``mend`` is what to do where it is not fine."""

    name: str
    fine: bool
    found: str
    mend: str = ""


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print findings as JSON, a line each.")] = False,
) -> None:
    """Check what Helios needs on this machine, and print how to fix what is missing.

    Ends with 0 where videos can be rendered, else with 1.

    Example:

        helios doctor
    """
    findings = list(_findings())
    for finding in findings:
        if json:
            typer.echo(dumps(asdict(finding)))
            continue
        typer.echo(f"{'ok  ' if finding.fine else 'MEND'} {finding.name:14} {finding.found}")
        if finding.mend:
            typer.echo(f"     {'':14} {finding.mend}")
    if not all(finding.fine for finding in findings):
        raise typer.Exit(1)


def _findings() -> Iterator[CheckResult]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield CheckResult("cores", True, f"{cores}, Python {platform.python_version()}, helios {helios.__version__}")
    yield _fonts()
    yield _shared_memory()
    yield _ffmpeg()
    yield _browser()


def _fonts() -> CheckResult:
    folders = [Path(folder).expanduser() for folder in _FONT_FOLDERS]
    count = sum(path.suffix.lower() in _FONT_ENDINGS for folder in folders for path in folder.rglob("*"))
    if count:
        return CheckResult("fonts", True, f"{count} files")
    return CheckResult("fonts", False, "none: text would be empty boxes", "apt-get install fonts-dejavu-core")


def _shared_memory() -> CheckResult:
    folder = Path("/dev/shm")
    if not folder.is_dir():
        return CheckResult("shared memory", True, "no /dev/shm; temporary files are used instead")
    free = shutil.disk_usage(folder).free
    return CheckResult("shared memory", True, f"{free / 2**20:.0f} MiB free in /dev/shm")


def _ffmpeg() -> CheckResult:
    try:
        path = find_ffmpeg()
        message = subprocess.run([path, "-version"], capture_output=True, text=True, check=True, timeout=20).stdout
    except HeliosError as error:
        return CheckResult("ffmpeg", False, str(error))
    except (OSError, subprocess.SubprocessError) as error:
        return CheckResult("ffmpeg", False, f"can't be run: {error}", "apt-get install ffmpeg")
    return CheckResult("ffmpeg", True, f"{' '.join(message.split()[:3])} ({path})")


def _browser() -> CheckResult:
    """Draws a real page: a browser that is there but can't draw is no use."""
    try:
        path = find_browser()
        with tempfile.TemporaryDirectory(prefix="helios-") as folder:
            page = Path(folder, "page.html")
            page.write_text("<!doctype html><title>doctor</title><p>Can you see me?")
            started = time.monotonic()
            asyncio.run(helios.still(page, Path(folder, "still.png"), width=320, height=180))
            seconds = time.monotonic() - started
    except HeliosError as error:
        return CheckResult("browser", False, str(error))
    return CheckResult("browser", True, f"{path} (drew a page in {seconds:.1f} s)")
