# mypy: ignore-errors
# Runs in a separate environment with its package.
"""Start Ray with one worker, wait for the result of a task, then for the end of the input."""

import os
import sys

os.environ["RAY_raylet_start_wait_time_s"] = "300"  # noqa: SIM112 - a busy machine needs longer
os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}

import ray


@ray.remote
def add(numbers: list[int]) -> int:
    return sum(numbers)


def main() -> None:
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
    assert ray.get(add.remote([1, 2])) == 3
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    ray.shutdown()


if __name__ == "__main__":
    main()
