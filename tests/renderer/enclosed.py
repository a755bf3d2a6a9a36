"""Renders a page where loopback has addresses that are elsewhere's; prints as JSON which of them it has reached.

To be run in a network of its own: ``unshare --map-root-user --net python enclosed.py POLICY FOLDER``.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import cast

from test_proxy import draw, witness

from helios.composition import Network

PUBLIC = "93.184.215.14"
INNER = ("169.254.169.254", "169.254.170.2", "10.0.0.7", "172.16.0.1", "192.168.0.1", "100.64.0.1", "fd00:ec2::254")


def main(network: Network, folder: Path) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (PUBLIC, *INNER):
        length = 128 if ":" in address else 32
        subprocess.run(["ip", "address", "add", f"{address}/{length}", "dev", "lo"], check=True)
    with witness("::") as found:
        hosts = [f"[{address}]" if ":" in address else address for address in (PUBLIC, *INNER)]
        tries = [f"try {{ await fetch('http://{host}:{found.port}/{host}') }} catch {{}}" for host in hosts]
        _, warnings = draw(folder, "".join(tries), network, capture="faithful")
        sys.stdout.write(
            json.dumps({"seen": sorted({path[1:].strip("[]") for path in found.seen}), "message": warnings})
        )


if __name__ == "__main__":
    main(cast("Network", sys.argv[1]), Path(sys.argv[2]))
