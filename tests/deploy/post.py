"""Starts the worker's HTTP server, posts a payload to it, and prints the job's report.

``post.py PAYLOAD REPORT COMMAND...``, in its own network namespace.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

PORT = 8080
payload, report, *command = sys.argv[1:]
with subprocess.Popen(
    command, stdout=sys.stderr, env={**os.environ, "PORT": str(PORT), "K_SERVICE": "helios"}
) as running:
    try:
        with socket.socket() as probe:
            while probe.connect_ex(("127.0.0.1", PORT)):
                assert running.poll() is None, "the worker has exited"
                time.sleep(0.01)
        url = f"http://127.0.0.1:{PORT}"
        with urlopen(f"{url}/healthz", timeout=10) as answer:
            assert answer.status == 200
        with urlopen(
            Request(f"{url}/jobs", Path(payload).read_bytes(), {"Content-Type": "application/json"}), timeout=100
        ) as answer:
            *_, last = map(json.loads, answer)
        sys.stderr.write(json.dumps(last))
        assert last["response"]["exit_code"] == 0
        sys.stdout.write(Path(report).read_text())
    finally:
        running.kill()
