# mypy: ignore-errors
# Runs in a separate environment with its package.
"""Start Dask with one worker, wait for the result of a task, then for the end of the input."""

import sys

from distributed import Client, LocalCluster


def main() -> None:
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        assert client.submit(sum, [1, 2]).result() == 3
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
