"""Kills all processes of some sessions once nobody is left who wants them.

Their ids come on standard input, one a line; its end is the sign. It comes when the process that holds the other end
says so, and also when that one was killed.
"""

import contextlib
import sys

import psutil

from support.processes import in_session

sessions = [int(line) for line in sys.stdin]
while left := [process for session in sessions for process in in_session(session)]:
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=0.1)
