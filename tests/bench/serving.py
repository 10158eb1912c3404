"""Measures the predictor over time and under mixed load: `python -m tests.bench.serving COMMAND`.

soak      predictions at a constant rate for minutes: latency, failed requests, resident memory
list      a list of a million rows through /predict/csv: its rate and memory, and the latency of
          concurrent predictions
explain   explanations one after the other: their latency, and that of concurrent predictions

The predictor runs on one core and the load on another, as in tests/bench/peers/measure.py, with
the same forest of 200 trees.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.data.synthetic import generate_csv
from tests.bench.peers.load import (
    Latency,
    get_resident_mib,
    measure_latency,
    measure_throughput,
    run_server,
)
from tests.bench.peers.prepare import prepare
from tests.bench.peers.servers import SERVERS, VENVS

OURS = next(server for server in SERVERS if server.name == "ours")
CONNECTIONS = 16
LIST_ROWS = 1_000_000
BLOCK_ROWS = 10_000
"""Different rows of the list, which are repeated."""


class MemoryMonitor(threading.Thread):
    """Samples the resident memory of a process (MiB) twice a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._samples = [get_resident_mib(pid)]
        self._stop_event = threading.Event()

    def run(self) -> None:
        while not self._stop_event.wait(0.5):
            self._samples.append(get_resident_mib(self._pid))

    def stop(self) -> None:
        self._stop_event.set()
        self.join()

    def __str__(self) -> str:
        last = len(self._samples) - 1
        tenths = [self._samples[last * part // 10] for part in range(11)]
        listed = " ".join(f"{value:.0f}" for value in tenths)
        return f"resident {listed} MiB over the time, at most {max(self._samples):.0f}"


@contextlib.contextmanager
def run_predictor() -> Iterator[tuple[str, int, Path]]:
    """Run the predictor, warmed up; yields its URL, process id and folder."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder, VENVS / "peer-mlflow" / "bin" / "python")
        with run_server(OURS, folder) as (url, pid):
            measure_throughput(OURS, url, folder, CONNECTIONS, 2)
            yield url, pid, folder


def soak(options: argparse.Namespace) -> None:
    with run_predictor() as (url, pid, folder):
        rates = [measure_throughput(OURS, url, folder, CONNECTIONS, 5) for _ in range(3)]
        highest = statistics.median(rates)
        report(f"throughput {highest:,.0f}/s over {CONNECTIONS} connections")
        memory = MemoryMonitor(pid)
        memory.start()
        seconds = round(60 * options.minutes)
        latency = measure_latency(OURS, url, folder, options.fraction * highest, seconds)
        memory.stop()
        report(f"{options.fraction:.0%} of it for {options.minutes:g} minutes: {latency}; {memory}")


def score_list(options: argparse.Namespace) -> None:
    header, *rows = generate_csv(BLOCK_ROWS, seed=1).splitlines(keepends=True)
    block = b"".join(rows)
    with run_predictor() as (url, pid, folder):
        memory, done = MemoryMonitor(pid), threading.Event()
        memory.start()
        concurrent: list[Latency] = []

        def predict() -> None:
            while not done.is_set():
                concurrent.append(measure_latency(OURS, url, folder, options.rate, 5))

        thread = threading.Thread(target=predict)
        thread.start()
        began = time.monotonic()
        scored = send_list(url, [header, *[block] * (LIST_ROWS // BLOCK_ROWS)])
        seconds = time.monotonic() - began
        done.set()
        thread.join()
        memory.stop()
        report(f"{scored:,} rows in {seconds:.1f} s, {scored / seconds:,.0f} rows/s; {memory}")
        for latency in concurrent:
            report(f"concurrent predictions: {latency}")


def send_list(url: str, pieces: list[bytes]) -> int:
    """Send a list while its predictions are read; returns the number of predictions."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=600)
    headers = {"Content-Type": "text/csv"}
    path = "/predict/csv?log=false"
    connection.request("POST", path, iter(pieces), headers, encode_chunked=True)
    response, lines = connection.getresponse(), 0
    assert response.status == http.client.OK, response.read()
    while piece := response.read(1 << 20):
        lines += piece.count(b"\n")
    return lines - 1


def explain(options: argparse.Namespace) -> None:
    with run_predictor() as (url, _, folder):
        bodies = (folder / f"{OURS.body}.bodies").read_bytes().splitlines()
        concurrent: list[Latency] = []
        thread = threading.Thread(
            target=lambda: concurrent.append(measure_latency(OURS, url, folder, options.rate, 15))
        )
        thread.start()
        address, durations = urlsplit(url), []
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        headers = {"Content-Type": "application/json"}
        for body in bodies:
            began = time.monotonic()
            connection.request("POST", "/predict?explain=true", body, headers)
            response = connection.getresponse()
            response.read()
            assert response.status == http.client.OK
            durations.append(1000 * (time.monotonic() - began))
            if not thread.is_alive():
                break
        thread.join()
        p50, p99 = statistics.median(durations), sorted(durations)[len(durations) * 99 // 100]
        report(f"{len(durations)} explanations in sequence: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
        report(f"concurrent predictions: {concurrent[0]}")


def report(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    added = commands.add_parser("soak")
    added.add_argument("--minutes", type=float, default=10)
    added.add_argument("--fraction", type=float, default=0.7, help="of the throughput")
    added.set_defaults(run=soak)
    for name, run in (("list", score_list), ("explain", explain)):
        added = commands.add_parser(name)
        added.add_argument("--rate", type=float, default=500, help="concurrent predictions/s")
        added.set_defaults(run=run)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
