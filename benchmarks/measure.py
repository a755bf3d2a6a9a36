"""Measures a command: its wall time, and the CPU time and memory of all its processes."""

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
"""Seconds between two measurements of memory."""
_GROWN = 1.02
_LINGER = 5.0
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Usage:
    """The resources that a command used.

    ``wall``, ``cpu`` and ``busy`` are seconds. ``cpu`` is the CPU time of the command's processes; ``busy`` is the CPU
    time of the whole machine meanwhile. ``peak_mb`` is the largest measured sum of the processes' PSS (which counts
    shared memory once).
    """

    wall: float
    cpu: float
    busy: float
    peak_mb: float


class CommandFailed(Exception):
    """A measured command failed."""


def adopt_orphans() -> None:
    """Makes this process the parent of its orphaned descendants, so that they are measured too.

    A killed browser orphans its helper processes. As children of init, they would be missing from the CPU time.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def run(command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Usage:
    """Runs ``command`` with its output in ``log``, and waits for all processes that it started.

    Raises:
        CommandFailed: its exit code is not 0; the message has the last lines of its output.
    """
    # The environment is inherited: peers find their programs by PATH.
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
        raise CommandFailed(f"{Path(command[0]).name} exited with {code}:\n  {message}")
    return usage


def _watch(pid: int) -> int:
    """Waits until ``pid`` exits; returns the peak memory (bytes) of all descendants of this process.

    Reading the PSS of a browser costs 25 ms, so that is done only when the RSS, which costs nothing, exceeds its
    former maximum.
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
    """Waits for orphans, and kills those that remain."""
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
