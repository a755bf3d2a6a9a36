"""So many tasks that do nothing, dispatched by Dask's scheduler to workers in this process: python dask_tasks.py N."""

# pyright: basic, reportMissingImports=false
import json
import resource
import sys
import time

from distributed import Client, LocalCluster


def nothing(number: int) -> None:
    """The task."""


if __name__ == "__main__":
    cluster = LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None)
    with cluster, Client(cluster) as client:
        client.submit(nothing, -1).result()
        cpu, wall = time.process_time(), time.perf_counter()
        client.gather(client.map(nothing, range(int(sys.argv[1])), pure=False))
        used = [time.process_time() - cpu, time.perf_counter() - wall]
    print(json.dumps([*used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
