"""Makes the root file system of the worker's image on this machine, without a container engine, and prints its folder.

It does what the Dockerfile says, one instruction after the other: FROM by mmdebstrap, RUN in bubblewrap. What was made
with the same content is there already; where only Helios itself has changed, what comes before it is kept.
"""

import fcntl
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from helios.clouds.image.context import build_context

PLACE = Path(__file__).parent.parent / ".venv" / "image"
ROOT = PLACE / "root"
DONE = PLACE / "done.json"
TOOLS = {"mmdebstrap": "mmdebstrap", "bwrap": "bubblewrap", "eatmydata": "eatmydata"}
# As the slim image has it:
NO_DOCS = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")]
SWIFT = "libeatmydata.so"  # has programs not wait for the disk


def main() -> None:
    """Brings the folder to what the Dockerfile says."""
    if os.geteuid() != 0:
        sys.exit("image: this needs root, for the files of the image belong to root: sudo make image")
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        get_tools()
        context = zipfile.ZipFile(io.BytesIO(build_context()))
        steps = list(instructions(context.read("Dockerfile").decode()))
        wanted = keys(steps, context)
        done: list[str] = json.loads(DONE.read_text()) if DONE.exists() else []
        if wanted != done:
            build(steps, wanted, first_to_do(steps, wanted, done), context)
    print(ROOT)


def get_tools() -> None:
    """Installs what is missing, or says why it can't."""
    missing = [package for command, package in TOOLS.items() if not shutil.which(command)]
    if not missing:
        return
    if not shutil.which("apt-get"):
        sys.exit(f"image: this needs Debian, with {', '.join(missing)}")
    say(f"installing {' '.join(missing)} (apt-get)")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    execute(["apt-get", "update", "-qq"], environment)
    execute(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], environment)


def instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Each instruction's name, and the rest of it."""
    lines = [line for line in dockerfile.splitlines() if line and not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", "").splitlines():
        name, _, rest = line.partition(" ")
        yield name, rest.strip()


def keys(steps: list[tuple[str, str]], context: zipfile.ZipFile) -> list[str]:
    """A digest for each step, of what it does and of the files that it copies."""
    found: list[str] = []
    for name, rest in steps:
        digest = hashlib.sha256(f"{name} {rest}".encode())
        if name == "COPY":
            for file in copied(rest, context):
                digest.update(file.encode() + context.read(file))
        found.append(digest.hexdigest())
    return found


def first_to_do(steps: list[tuple[str, str]], wanted: list[str], done: list[str]) -> int:
    """The first step that has to be done: that which copies Helios, if all before it was done, else the very first."""
    last_copy = max(number for number, (name, _) in enumerate(steps) if name == "COPY")
    return last_copy if done[:last_copy] == wanted[:last_copy] else 0


def copied(rest: str, context: zipfile.ZipFile) -> list[str]:
    """The files of the context that a COPY means."""
    sources = rest.split()[:-1]
    return [file for file in context.namelist() if any(file == one or file.startswith(f"{one}/") for one in sources)]


def build(steps: list[tuple[str, str]], wanted: list[str], first: int, context: zipfile.ZipFile) -> None:
    """Does the steps from ``first`` on, and keeps what was done."""
    DONE.unlink(missing_ok=True)
    environment: dict[str, str] = {}
    command: dict[str, list[str]] = {}
    for number, (name, rest) in enumerate(steps):
        if name == "ENV":
            environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif name in ("ENTRYPOINT", "CMD"):
            command[name] = json.loads(rest)
        elif number >= first and name != "USER":
            started = time.monotonic()
            {"FROM": start_from, "RUN": run, "COPY": copy}[name](rest, context, environment)
            say(f"{time.monotonic() - started:5.1f} s  {name} {rest[:80]}")
    (PLACE / "config.json").write_text(json.dumps({"Env": environment, **command}))
    DONE.write_text(json.dumps(wanted))


def start_from(rest: str, *_: object) -> None:
    """Makes the base: the same release of Debian, by its packages."""
    release = re.fullmatch(r".*/debian:(\w+)-slim", rest)
    assert release, f"the base is a slim Debian: {rest}"
    if ROOT.exists():
        shutil.rmtree(ROOT)
    inside = f'"$1"{library()}'
    hooks = [f"--extract-hook=cp {library()} {inside}", f"--customize-hook=rm {inside}"]
    command = ["mmdebstrap", "--variant=minbase", "--format=directory", *hooks, *NO_DOCS, release[1], str(ROOT)]
    execute(command, {**os.environ, "LD_PRELOAD": SWIFT})


def run(rest: str, _: object, environment: dict[str, str]) -> None:
    """Runs a command in the image, with this machine's way to the network."""
    authorities = os.environ.get("PIP_CERT") or ssl.get_default_verify_paths().cafile
    ours = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy") or name[:4] == "PIP_"}
    variables = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        **ours,
        **environment,
        "PIP_CERT": "/run/authorities.pem",
        "LD_PRELOAD": f"/run/{SWIFT}",
    }
    command = [
        "bwrap", "--die-with-parent", "--unshare-pid", "--bind", str(ROOT), "/", "--dev", "/dev", "--proc", "/proc",
        "--perms", "1777", "--tmpfs", "/tmp", "--tmpfs", "/run", "--ro-bind", str(library()), f"/run/{SWIFT}",
        "--ro-bind", str(authorities), "/run/authorities.pem", "--ro-bind", "/etc/resolv.conf", "/etc/resolv.conf",
    ]  # fmt: skip
    execute([*command, "sh", "-ec", rest], variables)


def library() -> Path:
    """Where this machine has the library that ``SWIFT`` names."""
    (path,) = Path("/usr/lib").glob(f"*/{SWIFT}")
    return path


def execute(command: list[str], environment: dict[str, str]) -> None:
    """Runs a command; where it fails, all ends with what it said."""
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        sys.exit(f"image: {shlex.join(command)} ended with {done.returncode} and said:\n{done.stdout[-4000:]}")


def copy(rest: str, context: zipfile.ZipFile, _: object) -> None:
    """Copies files, or a folder in place of the one that was there."""
    *sources, target = rest.split()
    place = ROOT / target.lstrip("/")
    if not target.endswith("/"):
        shutil.rmtree(place, ignore_errors=True)
    for file in copied(rest, context):
        path = place / (Path(file).name if target.endswith("/") else Path(file).relative_to(sources[0]))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(context.read(file))


def say(line: str) -> None:
    """Tells what is done."""
    print(f"image: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
