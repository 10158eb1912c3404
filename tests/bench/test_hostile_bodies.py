"""What hostile bodies cost other clients: the longest wait for /healthz, and memory."""

from __future__ import annotations

import http.client
import statistics
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from pipeline.model.bundle import write_fallback
from tests.support.forest import make_bundle
from tests.support.hostile_bodies import BODIES, LISTS, measure_growth, post
from tests.support.predictor import (
    PredictorProcess,
    open_disk_lake,
    start_predictor,
    wait_until_ready,
)
from tests.support.process_tree import read_cpu_seconds

MAX_WAIT_RATIO = 250
"""Longest wait over the usual one of an idle predictor: 100 ms where an idle one needs 0.4 ms."""
MAX_GROWTH_MIB = 64
IDLE_REQUESTS = 500
ROUNDS = 3
"""How often each body is sent; its shortest wait counts, because other work can only extend it."""


class Probe(threading.Thread):
    """Requests /healthz one time after the other until it is stopped."""

    def __init__(self, predictor: PredictorProcess) -> None:
        super().__init__(daemon=True)
        self._connection = http.client.HTTPConnection("127.0.0.1", predictor.port, timeout=60)
        self._stopped = threading.Event()
        self.waits: list[float] = []

    def run(self) -> None:
        while not self._stopped.is_set():
            self.request()

    def request(self) -> None:
        started = time.perf_counter()
        self._connection.request("GET", "/healthz")
        self._connection.getresponse().read()
        self.waits.append(time.perf_counter() - started)

    def stop(self) -> None:
        self._stopped.set()
        self.join()
        self.close()

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PredictorProcess]:
    folder = tmp_path_factory.mktemp("predictor")
    write_fallback(open_disk_lake(folder), make_bundle())
    with start_predictor(folder, max_connection_age_seconds="0") as started:
        wait_until_ready(started)
        yield started


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_hostile_bodies(predictor: PredictorProcess) -> None:
    """No body keeps /healthz waiting for long, or grows the process by more than 64 MiB."""
    probe = Probe(predictor)
    for _ in range(IDLE_REQUESTS):
        probe.request()
    probe.close()
    idle = statistics.median(probe.waits)
    found = [
        (*measure(predictor, path, content_type, body), f"{path} {name}")
        for path, content_type, name, body in (*BODIES, *LISTS)
    ]
    found.sort(reverse=True)
    print_costs(idle, found)
    assert max(wait for wait, *_ in found) <= MAX_WAIT_RATIO * idle
    assert max(grown for _, _, grown, _ in found) <= MAX_GROWTH_MIB


def measure(
    predictor: PredictorProcess, path: str, content_type: str, body: str
) -> tuple[float, float, float]:
    """Return the longest wait and the CPU time (seconds), and the growth (MiB), of a body."""
    data = body.encode()
    waits, cpu_seconds, growths = [], [], []
    for _ in range(ROUNDS):
        probe = Probe(predictor)
        probe.start()
        before = read_cpu_seconds(predictor.process.pid)
        grown, _ = measure_growth(predictor, lambda: post(predictor, path, content_type, data))
        cpu_seconds.append(read_cpu_seconds(predictor.process.pid) - before)
        probe.stop()
        waits.append(max(probe.waits))
        growths.append(grown)
    return min(waits), min(cpu_seconds), max(growths)


def print_costs(idle: float, found: list[tuple[float, float, float, str]]) -> None:
    out = sys.stdout.write
    out(f"\nidle: {idle * 1000:.2f} ms\nlongest wait, CPU, growth\n")
    for wait, cpu, grown, name in found:
        out(f"{wait * 1000:7.1f} ms {cpu * 1000:6.0f} ms {grown:6.1f} MiB  {name}\n")
