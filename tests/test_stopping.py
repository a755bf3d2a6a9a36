"""The first signal stops the work, and a second one ends the process, whatever hangs in it."""

import signal
import subprocess
import sys

import psutil
import pytest

from support.processes import wait_until

STOPS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
BEGIN = """
import asyncio, ctypes, sys, threading
from helios.stopping import run_stoppable, stoppable
def say(text):
    print(text, flush=True)
def hang():
    say("hangs")
    threading.Event().wait()
async def work():
    try:
        {work}
    finally:
        say("stopped")
with stoppable():
    {begin}
    run_stoppable(work())
"""
LOCKED_TWICE = """mutex = ctypes.create_string_buffer(64)
        c = ctypes.CDLL(None)
        c.pthread_mutex_lock(mutex)
        say("hangs")
        c.pthread_mutex_lock(mutex)"""


def started(work: str, begin: str = "") -> subprocess.Popen[str]:
    script = BEGIN.format(work=work, begin=begin or "pass")
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", STOPS)
def test_the_first_signal_cancels_the_work_which_cleans_up(number: signal.Signals) -> None:
    with started("say('hangs'); await asyncio.sleep(600)") as process:
        assert process.stdout
        assert process.stdout.readline() == "hangs\n"
        process.send_signal(number)
        assert process.communicate(timeout=60) == ("stopped\n", "")
    assert process.returncode == 128 + number


@pytest.mark.parametrize("second", STOPS)
@pytest.mark.parametrize(
    "work",
    ["await asyncio.to_thread(hang)", "threading.Thread(target=hang).start(); await asyncio.sleep(600)"],
    ids=["executor", "thread"],
)
def test_a_second_signal_ends_a_process_that_waits_for_a_thread(work: str, second: signal.Signals) -> None:
    with started(work) as process:
        assert process.stdout
        assert process.stdout.readline() == "hangs\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "stopped\n"
        process.send_signal(second)
        process.communicate(timeout=60)
    assert process.returncode in (-second, 128 + second)


def test_a_second_signal_ends_a_process_whose_main_thread_hangs_where_no_handler_runs() -> None:
    with started(LOCKED_TWICE) as process:
        assert process.stdout
        assert process.stdout.readline() == "hangs\n"
        wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_SLEEPING, "the lock")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM, 128 + signal.SIGINT)


def test_work_that_no_loop_runs_is_stopped_too() -> None:
    with started("pass", "hang()") as process:
        assert process.stdout
        assert process.stdout.readline() == "hangs\n"
        process.send_signal(signal.SIGHUP)
        assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 128 + signal.SIGHUP


def test_what_is_ignored_stays_ignored() -> None:
    begin = "import signal; assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN"
    script = BEGIN.format(work="say('hangs'); await asyncio.sleep(600)", begin=begin)
    with subprocess.Popen(["nohup", sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "hangs\n"
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60)[0] == "stopped\n"
    assert process.returncode == 128 + signal.SIGTERM
