"""One command, measured: its time, the processor time and memory of all its processes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLE = 0.2
"""Seconds between two looks at the memory."""
_GROWN = 1.02
_LINGER = 5.0
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command took.

    ``wall`` and the rest are seconds. ``cpu`` is what the kernel charged to the command's processes; ``busy``
    is what the whole machine was busy meanwhile, others' work included. ``peak_mb`` is the largest sum of the
    processes' PSS (memory that several share is counted once) that was seen.
    """

    wall: float
    cpu: float
    busy: float
    peak_mb: float


class CommandFailed(Exception):
    """A measured command did not end well."""


def adopt_orphans() -> None:
    """Makes this process the parent of what its descendants leave behind, so that it too is counted.

    A browser that is killed orphans its helpers. They would become children of init, and the time they took
    would be charged to nobody.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def run(command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Usage:
    """Runs ``command`` to its end, with what it says in ``log``, and waits for everything it started.

    Raises:
        CommandFailed: its exit code is not 0; carries the last lines of what it said.
    """
    # Whatever is in the environment already is given on: peers find their programs by PATH.
    environment = {**os.environ, **(env or {})}
    with log.open("wb") as output:
        cpu, busy, started = _children_seconds(), _busy_seconds(), time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=environment, cwd=cwd, start_new_session=True,
        )  # fmt: skip
        peak = _watch(process.pid)
        wall = time.monotonic() - started
        code = process.wait()
        _reap(process.pid)
        usage = Usage(wall, _children_seconds() - cpu, _busy_seconds() - busy, peak / 1e6)
    if code:
        message = "\n  ".join(log.read_text(errors="replace").strip().splitlines()[-8:])
        raise CommandFailed(f"{Path(command[0]).name} ended with {code}:\n  {message}")
    return usage


def _watch(pid: int) -> int:
    """Waits until ``pid`` has ended; returns the most bytes that this process' descendants held.

    To read the PSS of a browser costs 25 ms, so that is done only where the RSS, which costs nothing, has
    grown past all it was.
    """
    peak = highest = 0
    me = psutil.Process()
    watched = os.pidfd_open(pid)
    try:
        while not select.select([watched], [], [], SAMPLE)[0]:
            processes = me.children(recursive=True)
            resident = sum(_resident(process) for process in processes)
            if resident > highest * _GROWN:
                highest = resident
                peak = max(peak, sum(_held(process) for process in processes))
    finally:
        os.close(watched)
    return peak


def _resident(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return process.memory_info().rss
    return 0


def _held(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return process.memory_full_info().pss
    return 0


def _reap(group: int) -> None:
    """Waits for the orphans, and ends those that stay."""
    patience = time.monotonic() + _LINGER
    with contextlib.suppress(ChildProcessError):
        while True:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
            if time.monotonic() > patience:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
                return
            time.sleep(0.01)


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return times.user + times.nice + times.system + times.irq + times.softirq
