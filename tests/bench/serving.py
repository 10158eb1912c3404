"""Measures the predictor alone, over time and under mixed work: `python -m tests.bench.serving soak | list | explain`.

soak      a constant rate of predictions for minutes: latency, failed requests, resident memory all along
list      a class list of a million rows through /predict/csv: its rate, memory, and the latency of predictions beside it
explain   explanations one after the other, beside a constant rate of predictions: the latency of both

The predictor is held to one core, the load to another, as in tests/bench/peers/measure.py, with its forest of 200 trees.
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
from tests.bench.peers.measure import Latency, Result, latency, maximum, resident, running
from tests.bench.peers.prepare import prepare
from tests.bench.peers.servers import SERVERS, VENVS

OURS = next(server for server in SERVERS if server.name == "ours")
CONNECTIONS = 16
LIST_ROWS = 1_000_000


class Memory(threading.Thread):
    """Resident memory of a process (MiB), looked at twice a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.seen, self._stop_it = pid, [resident(pid)], threading.Event()

    def run(self) -> None:
        while not self._stop_it.wait(0.5):
            self.seen.append(resident(self.pid))

    def stop(self) -> None:
        self._stop_it.set()
        self.join()

    def __str__(self) -> str:
        tenths = [
            self.seen[min(len(self.seen) - 1, len(self.seen) * part // 10)] for part in range(11)
        ]
        return f"resident {' '.join(f'{value:.0f}' for value in tenths)} MiB by tenths of the time, at most {max(self.seen):.0f}"


@contextlib.contextmanager
def predictor() -> Iterator[tuple[str, int, Path]]:
    """The predictor, warm, as people run it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder, VENVS / "peer-mlflow" / "bin" / "python")
        with running(OURS, folder, Result(OURS)) as (url, pid):
            maximum(OURS, url, folder, CONNECTIONS, 2)
            yield url, pid, folder


def soak(options: argparse.Namespace) -> None:
    with predictor() as (url, pid, folder):
        most = statistics.median(maximum(OURS, url, folder, CONNECTIONS, 5) for _ in range(3))
        say(f"maximum {most:,.0f}/s over {CONNECTIONS} connections")
        memory = Memory(pid)
        memory.start()
        report = latency(OURS, url, folder, options.share * most, round(60 * options.minutes))
        memory.stop()
        say(f"{options.share:.0%} of it for {options.minutes:g} minutes: {report}; {memory}")


def class_list(options: argparse.Namespace) -> None:
    header, *rows = generate_csv(10_000, seed=1).splitlines(keepends=True)
    block = b"".join(rows)
    with predictor() as (url, pid, folder):
        memory, seen = Memory(pid), threading.Event()
        memory.start()
        beside: list[Latency] = []

        def predictions() -> None:
            while not seen.is_set():
                beside.append(latency(OURS, url, folder, options.rate, 5))

        thread = threading.Thread(target=predictions)
        thread.start()
        began = time.monotonic()
        answered = send_list(url, [header, *[block] * (LIST_ROWS // 10_000)])
        seconds = time.monotonic() - began
        seen.set()
        thread.join()
        memory.stop()
        say(f"{answered:,} rows in {seconds:.1f} s, {answered / seconds:,.0f} rows/s; {memory}")
        for report in beside:
            say(f"beside it: {report}")


def send_list(url: str, pieces: list[bytes]) -> int:
    """Sends a list while its predictions are read; returns how many came."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=600)
    connection.request(
        "POST",
        "/predict/csv?log=false",
        iter(pieces),
        {"Content-Type": "text/csv"},
        encode_chunked=True,
    )
    answer, lines = connection.getresponse(), 0
    assert answer.status == http.client.OK, answer.read()
    while piece := answer.read(1 << 20):
        lines += piece.count(b"\n")
    return lines - 1


def explain(options: argparse.Namespace) -> None:
    with predictor() as (url, _, folder):
        bodies = (folder / f"{OURS.body}.bodies").read_bytes().splitlines()
        beside: list[Latency] = []
        thread = threading.Thread(
            target=lambda: beside.append(latency(OURS, url, folder, options.rate, 15))
        )
        thread.start()
        place, took = urlsplit(url), []
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        for body in bodies:
            began = time.monotonic()
            connection.request(
                "POST", "/predict?explain=true", body, {"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            answer.read()
            assert answer.status == http.client.OK
            took.append(1000 * (time.monotonic() - began))
            if not thread.is_alive():
                break
        thread.join()
        middle, high = statistics.median(took), sorted(took)[len(took) * 99 // 100]
        say(f"{len(took)} explanations one by one: p50 {middle:.1f} ms, p99 {high:.1f} ms")
        say(f"beside them: {beside[0]}")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    added = commands.add_parser("soak")
    added.add_argument("--minutes", type=float, default=10)
    added.add_argument("--share", type=float, default=0.7, help="of the maximum")
    added.set_defaults(run=soak)
    for name, run in (("list", class_list), ("explain", explain)):
        added = commands.add_parser(name)
        added.add_argument("--rate", type=float, default=500, help="predictions a second beside it")
        added.set_defaults(run=run)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
