"""Kills all processes of the sessions whose ids it reads from standard input, one a line, until the end of the input.

The input ends when the process that writes it closes it, and also when that process is killed.
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
