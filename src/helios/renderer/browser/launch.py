"""Finds and runs Chromium."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from helios.errors import BrowserError, MissingTool
from helios.renderer.browser.devtools import Connection
from helios.renderer.browser.processes import Processes
from helios.renderer.messages import FAST, CaptureMethod

HINT = (
    "apt-get install chromium-headless-shell (Debian, Ubuntu), or "
    "pip install playwright && playwright install --only-shell chromium, or set HELIOS_BROWSER to its path"
)
_SHELLS = (
    "/usr/lib/chromium/chromium-headless-shell",  # Debian's; its command is a shell script around this
    "chromium-headless-shell",
    "chrome-headless-shell",
    "headless_shell",
)
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PLAYWRIGHT = "chromium_headless_shell-*/chrome-*/*headless[_-]shell"

_FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-quic",
    "--disable-breakpad",
    "--disable-dev-shm-usage",  # containers have 64 MB there; the profile's folder has room
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--disable-lcd-text",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
    "--force-device-scale-factor=1",
    "--hide-scrollbars",
    "--lang=en-US",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-pre-commit-input",
    "--disable-site-isolation-trials",  # frames of other origins are drawn with their page
    "--disable-features=IsolateOrigins,site-per-process,PaintHolding,Translate,MediaRouter",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",  # WebGL without a GPU
    "--disable-gpu",
    "--disable-partial-raster",  # a partly drawn tile has other antialiasing
)
# These make a frame a function of its begin-frame: every stage of the compositor runs before the frame is drawn, and no
# thread with its own clock animates, scrolls or decodes.
_BEGIN_FRAME_FLAGS = (
    "--enable-begin-frame-control",
    "--run-all-compositor-stages-before-draw",
    "--disable-new-content-rendering-timeout",
    "--disable-threaded-animation",
    "--disable-threaded-scrolling",
    "--disable-checker-imaging",
    "--disable-image-animation-resync",
)


def find_browser() -> Path:
    """Returns the path of the browser: ``$HELIOS_BROWSER``, else a headless shell, else another Chromium.

    Raises:
        MissingTool: there is none.
    """
    if named := os.environ.get("HELIOS_BROWSER"):
        path = shutil.which(named)
        if path is None:
            raise MissingTool(f"HELIOS_BROWSER is {named}, which is not a program on this machine: {HINT}")
        return Path(path)
    for name in _SHELLS:
        if path := shutil.which(name):
            return Path(path)
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    if shells := sorted(cache.glob(_PLAYWRIGHT)):
        return shells[-1]
    for name in _BROWSERS:
        if path := shutil.which(name):
            return Path(path)
    raise MissingTool(f"no browser was found. Install one: {HINT}")


@asynccontextmanager
async def run_browser(
    profile: Path, capture: CaptureMethod, *, flags: Sequence[str] = ()
) -> AsyncGenerator[tuple[Connection, Processes]]:
    """Runs a browser with the new folder ``profile`` for the duration of the block.

    It stays in the caller's process group, so killing the group kills the browser too. It exits when the caller is
    gone, because the pipe to it closes.

    Raises:
        MissingTool: there is no browser.
        BrowserError: it does not start.
    """
    binary = find_browser()
    profile.mkdir(parents=True, exist_ok=True)
    log = profile / "browser.log"
    arguments = [str(binary), *_FLAGS, f"--user-data-dir={profile}", *flags]
    if capture != "screenshot":
        arguments += _BEGIN_FRAME_FLAGS
    if capture in FAST:
        arguments.append("--enable-blink-features=CanvasDrawElement")
    if os.geteuid() == 0 or os.environ.get("HELIOS_NO_SANDBOX"):
        arguments.append("--no-sandbox")
    arguments.append("about:blank")
    pid, read_fd, write_fd = _spawn(binary, arguments, log)
    connection = await Connection.open(read_fd, write_fd)
    try:
        try:
            await connection.call("Browser.getVersion", timeout=30)
        except BrowserError as error:
            message = " ".join(log.read_text(errors="replace").split("\n")[-4:]).strip()
            hint = " (apt-get install chromium-sandbox, or HELIOS_NO_SANDBOX=1)" if "sandbox" in message else ""
            raise BrowserError(f"{binary} does not start: {error}. Its log: {message or 'empty'}{hint}") from error
        processes = Processes(connection, pid)
        async with processes.watched():
            yield connection, processes
    finally:
        await connection.close()
        os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(os.waitpid, pid, 0)


def _spawn(binary: Path, arguments: Sequence[str], log: Path) -> tuple[int, int, int]:
    child_in, write_fd = os.pipe()
    read_fd, child_out = os.pipe()
    child_in, child_out = _move_up(child_in), _move_up(child_out)
    environment = {**os.environ, "TZ": "UTC"}
    actions = [
        (os.POSIX_SPAWN_DUP2, child_in, 3),
        (os.POSIX_SPAWN_DUP2, child_out, 4),
        (os.POSIX_SPAWN_OPEN, 2, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, 2, 1),
    ]
    try:
        pid = os.posix_spawn(binary, list(arguments), environment, file_actions=actions)
    except OSError as error:
        os.close(write_fd)
        os.close(read_fd)
        raise MissingTool(f"{binary} can't be run: {error.strerror}: {HINT}") from error
    finally:
        os.close(child_in)
        os.close(child_out)
    return pid, read_fd, write_fd


def _move_up(descriptor: int) -> int:
    """The same file under a number above 4: the browser wants 3 and 4, and one end may not land on the other."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 5)
    os.close(descriptor)
    return moved
