"""Builds the root file system of the worker's image without a container engine, and prints its folder.

It follows the Dockerfile: FROM with mmdebstrap, RUN in bubblewrap. If only Helios itself has changed, it repeats only
the steps from there on.
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

FOLDER = Path(__file__).parent.parent / ".venv" / "image"
ROOT = FOLDER / "root"
DONE = FOLDER / "done.json"
TOOLS = {"mmdebstrap": "mmdebstrap", "bwrap": "bubblewrap", "eatmydata": "eatmydata"}
# As in the slim image:
NO_DOCS = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")]
NO_SYNC = "libeatmydata.so"  # programs don't wait for the disk


def main() -> None:
    """Updates the folder and prints it."""
    if os.geteuid() != 0:
        sys.exit("image: this needs root, which owns the image's files: run sudo make image")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        install_tools()
        context = zipfile.ZipFile(io.BytesIO(build_context()))
        steps = list(parse_dockerfile(context.read("Dockerfile").decode()))
        expected = step_digests(steps, context)
        done: list[str] = json.loads(DONE.read_text()) if DONE.exists() else []
        if expected != done:
            build(steps, expected, first_outdated(steps, expected, done), context)
    print(ROOT)


def install_tools() -> None:
    """Installs the missing tools."""
    missing = [package for command, package in TOOLS.items() if not shutil.which(command)]
    if not missing:
        return
    if not shutil.which("apt-get"):
        sys.exit(f"image: install {', '.join(missing)}: without apt-get this script can't")
    log(f"installing {' '.join(missing)} (apt-get)")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    execute(["apt-get", "update", "-qq"], environment)
    execute(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], environment)


def parse_dockerfile(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Yields each instruction's name and the rest of its line."""
    lines = [line for line in dockerfile.splitlines() if line and not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", "").splitlines():
        name, _, rest = line.partition(" ")
        yield name, rest.strip()


def step_digests(steps: list[tuple[str, str]], context: zipfile.ZipFile) -> list[str]:
    """Returns a digest for each step: of the instruction and the files that it copies."""
    digests: list[str] = []
    for name, rest in steps:
        digest = hashlib.sha256(f"{name} {rest}".encode())
        if name == "COPY":
            for file in copied_files(rest, context):
                digest.update(file.encode() + context.read(file))
        digests.append(digest.hexdigest())
    return digests


def first_outdated(steps: list[tuple[str, str]], expected: list[str], done: list[str]) -> int:
    """Returns the number of the step that copies Helios if all before it are up to date, else 0."""
    last_copy = max(number for number, (name, _) in enumerate(steps) if name == "COPY")
    return last_copy if done[:last_copy] == expected[:last_copy] else 0


def copied_files(rest: str, context: zipfile.ZipFile) -> list[str]:
    """Returns the files of the context that a COPY names."""
    sources = rest.split()[:-1]
    return [file for file in context.namelist() if any(file == one or file.startswith(f"{one}/") for one in sources)]


def build(steps: list[tuple[str, str]], digests: list[str], first: int, context: zipfile.ZipFile) -> None:
    """Runs the steps from ``first`` on, and stores the digests of all."""
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
            log(f"{time.monotonic() - started:5.1f} s  {name} {rest[:80]}")
    (FOLDER / "config.json").write_text(json.dumps({"Env": environment, **command}))
    DONE.write_text(json.dumps(digests))


def start_from(rest: str, *_: object) -> None:
    """Installs the same Debian release as the base image, from packages."""
    release = re.fullmatch(r".*/debian:(\w+)-slim", rest)
    assert release, f"the base image must be a slim Debian, not {rest}"
    if ROOT.exists():
        shutil.rmtree(ROOT)
    inside = f'"$1"{no_sync_library()}'
    hooks = [f"--extract-hook=cp {no_sync_library()} {inside}", f"--customize-hook=rm {inside}"]
    command = ["mmdebstrap", "--variant=minbase", "--format=directory", *hooks, *NO_DOCS, release[1], str(ROOT)]
    execute(command, {**os.environ, "LD_PRELOAD": NO_SYNC})


def run(rest: str, _: object, environment: dict[str, str]) -> None:
    """Runs a command in the image, with this machine's network settings."""
    authorities = os.environ.get("PIP_CERT") or ssl.get_default_verify_paths().cafile
    network = {
        name: value for name, value in os.environ.items() if name.lower().endswith("_proxy") or name[:4] == "PIP_"
    }
    variables = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        **network,
        **environment,
        "PIP_CERT": "/run/authorities.pem",
        "LD_PRELOAD": f"/run/{NO_SYNC}",
    }
    command = [
        "bwrap", "--die-with-parent", "--unshare-pid", "--bind", str(ROOT), "/", "--dev", "/dev", "--proc", "/proc",
        "--perms", "1777", "--tmpfs", "/tmp", "--tmpfs", "/run", "--ro-bind", str(no_sync_library()), f"/run/{NO_SYNC}",
        "--ro-bind", str(authorities), "/run/authorities.pem", "--ro-bind", "/etc/resolv.conf", "/etc/resolv.conf",
    ]  # fmt: skip
    execute([*command, "sh", "-ec", rest], variables)


def no_sync_library() -> Path:
    """Returns the path of ``NO_SYNC`` on this machine."""
    (path,) = Path("/usr/lib").glob(f"*/{NO_SYNC}")
    return path


def execute(command: list[str], environment: dict[str, str]) -> None:
    """Runs a command; exits with its output if it fails."""
    finished = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if finished.returncode:
        sys.exit(f"image: {shlex.join(command)} exited with {finished.returncode}:\n{finished.stdout[-4000:]}")


def copy(rest: str, context: zipfile.ZipFile, _: object) -> None:
    """Copies files into the image, or replaces a folder."""
    *sources, target = rest.split()
    destination = ROOT / target.lstrip("/")
    if not target.endswith("/"):
        shutil.rmtree(destination, ignore_errors=True)
    for file in copied_files(rest, context):
        path = destination / (Path(file).name if target.endswith("/") else Path(file).relative_to(sources[0]))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(context.read(file))


def log(line: str) -> None:
    """Prints a line on stderr."""
    print(f"image: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
