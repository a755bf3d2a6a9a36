"""Starts the image's command in AWS' runtime emulator, invokes it with a payload, and prints the job's report.

``invoke.py EMULATOR PAYLOAD REPORT COMMAND...``, in its own network namespace.
"""

import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

PORT = 8080
emulator, payload, report, *command = sys.argv[1:]
addresses = ["--runtime-interface-emulator-address", f"127.0.0.1:{PORT}", "--runtime-api-address", "127.0.0.1:9001"]
with subprocess.Popen([emulator, *addresses, *command], stdout=sys.stderr) as running:
    try:
        with socket.socket() as probe:
            while probe.connect_ex(("127.0.0.1", PORT)):
                assert running.poll() is None, "the emulator has exited"
                time.sleep(0.01)
        url = f"http://127.0.0.1:{PORT}/2015-03-31/functions/function/invocations"
        with urlopen(Request(url, Path(payload).read_bytes()), timeout=100) as answer:
            sys.stderr.write(answer.read().decode())
        sys.stdout.write(Path(report).read_text())
    finally:
        running.kill()
