"""Compares the predictor with other servers: `python -m tests.bench.peers.measure`.

Run it from the project's folder. Only one server runs at a time, on one core; the load comes from
another core. Its throughput is what wrk reaches over keep-alive connections, the best of several
numbers of them. Its latency is measured with an open-loop load (oha) at half of that rate: the
time of a request counts from when it was due, whether or not earlier ones were answered. Rounds
are interleaved, so that other load on the machine affects all servers.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.bench.peers.load import (
    Latency,
    ServerFailed,
    get_cpu_seconds,
    get_resident_mib,
    measure_latency,
    measure_throughput,
    run_server,
)
from tests.bench.peers.prepare import ROWS, TREES, prepare
from tests.bench.peers.servers import ROOT, SERVERS, Server, venv

CHECKED_ROWS = 200
"""Rows whose probabilities are compared with scikit-learn's."""


@dataclass
class Result:
    """What was measured of one server.

    Attributes:
        server: The server.
        rates: Highest requests per second of each round.
        connections: Number of connections at the highest rate.
        cpu_us: CPU time per request at that rate (us).
        latency: Latency at half of the median rate.
        difference: Largest difference from scikit-learn's probabilities.
        start_seconds: Time until the server was ready.
        resident_mib: Resident memory after the start.
    """

    server: Server
    rates: list[float] = field(default_factory=list)
    connections: int = 0
    cpu_us: float = 0.0
    latency: Latency | None = None
    difference: float | None = None
    start_seconds: float = 0.0
    resident_mib: float = 0.0

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)


def post(url: str, body: str) -> Any:
    headers = {"Content-Type": "application/json"}
    response = httpx.post(url, content=body, headers=headers, timeout=60, trust_env=False)
    return response.raise_for_status().json()


def measure_round(
    result: Result, folder: Path, expected: list[float], options: argparse.Namespace, last: bool
) -> None:
    """Measure the throughput, and in the last round the latency and the probabilities."""
    server = result.server
    started = time.monotonic()
    with run_server(server, folder) as (url, pid):
        result.start_seconds = result.start_seconds or time.monotonic() - started
        result.resident_mib = result.resident_mib or get_resident_mib(pid)
        if last and server.probability is not None:
            bodies = (folder / f"{server.body}.bodies").read_text().splitlines()[:CHECKED_ROWS]
            returned = [server.probability(post(url + server.path, body)) for body in bodies]
            result.difference = max(abs(a - b) for a, b in zip(returned, expected, strict=False))
        measure_throughput(server, url, folder, 16, 2)  # warm up
        best = 0.0
        for connections in options.connections:
            cpu_before, began = get_cpu_seconds(pid), time.monotonic()
            rate = measure_throughput(server, url, folder, connections, options.seconds)
            if rate > best:
                best, result.connections = rate, connections
                requests = rate * (time.monotonic() - began)
                result.cpu_us = (get_cpu_seconds(pid) - cpu_before) / requests * 1e6
        result.rates.append(best)
        if last:
            result.latency = measure_latency(
                server, url, folder, result.rate / 2, options.seconds * 2
            )


def get_versions(server: Server) -> str:
    """Versions of a server's packages, in its own environment."""
    code = (
        "import importlib.metadata as m, sys; "
        "print(', '.join(p + ' ' + m.version(p) for p in sys.argv[1:]))"
    )
    command = [str(server.python), "-c", code, *server.packages]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def results_table(results: list[Result]) -> str:
    """The measurements as a Markdown table."""
    ceiling = results[0]
    best_peer = max(
        (r.rate for r in results if not r.server.name.startswith(("raw", "ours"))),
        default=float("nan"),
    )
    differences = ["-" if r.difference is None else f"{r.difference:.1e}" for r in results]
    return to_markdown(
        {
            "server": [r.server.name for r in results],
            "requests/s": [f"{r.rate:,.0f}" for r in results],
            "fraction of ceiling": [f"{r.rate / ceiling.rate:.0%}" for r in results],
            "times the best peer": [f"{r.rate / best_peer:,.1f}" for r in results],
            "CPU time per request": [f"{r.cpu_us:,.0f} us" for r in results],
            "at half of it": [str(r.latency) for r in results],
            "error of the probabilities": differences,
        }
    )


def setup_table(results: list[Result]) -> str:
    """How each server ran, as a Markdown table."""
    return to_markdown(
        {
            "server": [r.server.name for r in results],
            "setting": [r.server.note for r in results],
            "versions": [
                get_versions(r.server) if r.server.packages else "the same" for r in results
            ],
            "ready after": [f"{r.start_seconds:.1f} s" for r in results],
            "resident": [f"{r.resident_mib:.0f} MiB" for r in results],
            "connections": [str(r.connections) for r in results],
        }
    )


def to_markdown(columns: dict[str, list[str]]) -> str:
    rows = [list(columns), ["---"] * len(columns), *zip(*columns.values(), strict=True)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only",
        nargs="*",
        default=[],
        help="measure servers whose name contains one of these words; the ceiling always runs",
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8, help="duration of each load")
    parser.add_argument("--connections", type=int, nargs="*", default=[16, 64])
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    results = [
        Result(server)
        for server in SERVERS
        if server is SERVERS[0]
        or not options.only
        or any(word in server.name for word in options.only)
    ]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        expected = prepare(folder, Path(venv("mlflow", "python")))
        for number in range(options.rounds):
            for result in list(results):
                try:
                    measure_round(result, folder, expected, options, number == options.rounds - 1)
                except ServerFailed as error:
                    results.remove(result)
                    sys.stderr.write(f"skipped {result.server.name}: {error}\n")
                    continue
                load = Path("/proc/loadavg").read_text().split()[0]
                sys.stderr.write(
                    f"{result.server.name}: {result.rates[-1]:,.0f}/s, "
                    f"{result.cpu_us:.0f} us CPU per request, load {load}\n"
                )
    sys.stdout.write(
        f"{ROWS:,} rows, a forest of {TREES} trees, one core per server.\n\n"
        f"{results_table(results)}\n\n{setup_table(results)}\n"
    )


if __name__ == "__main__":
    assert Path.cwd() == ROOT, f"run it from {ROOT}"
    main()
