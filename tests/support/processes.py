"""Finds processes and ports."""

import contextlib
import os
import socket
import time
from collections.abc import Callable

import psutil


def descendants(pid: int) -> list[psutil.Process]:
    """Returns all descendants of ``pid``, without the helper processes of Python's multiprocessing, which live as long."""
    try:
        return [
            process
            for process in psutil.Process(pid).children(recursive=True)
            if not _is_multiprocessing_helper(process)
        ]
    except psutil.NoSuchProcess:
        return []


def _is_multiprocessing_helper(process: psutil.Process) -> bool:
    try:
        line = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return "multiprocessing.forkserver" in line or "multiprocessing.resource_tracker" in line


def alive(process: psutil.Process) -> bool:
    """Whether the process still runs; a zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def in_session(session: int) -> list[psutil.Process]:
    """Returns the live processes of a session, including its leader and orphans."""
    found: list[psutil.Process] = []
    for pid in psutil.pids():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getsid(pid) == session and alive(process := psutil.Process(pid)):
                found.append(process)
    return found


def named(pid: int, *words: str) -> list[psutil.Process]:
    """Returns the descendants of ``pid`` whose command line has all the words."""
    found: list[psutil.Process] = []
    for process in descendants(pid):
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if all(word in line for word in words):
            found.append(process)
    return found


def wait_until(condition: Callable[[], object], what: str, seconds: float = 20) -> None:
    """Polls until the condition holds; fails with ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.01)


def free_port() -> int:
    """Returns a free port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
