"""What API keys cost: two predictors, without and with keys, that are loaded in turns."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from serving.http.rows import EXAMPLE
from tests.support.predictor import PredictorProcess

PIPELINED = 50
"""Requests that are sent before their responses are read: the event loop is never idle."""
BATCH = 500
"""Requests between two readings of the CPU time."""


@dataclass(frozen=True)
class Ratio:
    """A ratio of CPU times with its 95 % interval.

    Attributes:
        value: Geometric mean over the predictors that were started.
        low: Lower end.
        high: Upper end.
        microseconds: Mean CPU time of a request without and with keys.
    """

    value: float
    low: float
    high: float
    microseconds: tuple[float, float]

    def __str__(self) -> str:
        off, on = self.microseconds
        return (
            f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f}), "
            f"{off:.1f} us without, {on:.1f} us with"
        )


class Load:
    """Sends rows to a predictor, one in each request, and reads the CPU time of its event loop.

    Args:
        predictor: The predictor.
        header: A line of the requests' heads; empty for none.
        is_cached: Whether all requests send the same row, whose prediction is cached; otherwise
            each has a row of its own.
    """

    def __init__(
        self, predictor: PredictorProcess, header: str = "", is_cached: bool = False
    ) -> None:
        lines = ["POST /predict HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
        self._head = "\r\n".join([*lines, *([header] if header else [])])
        self._is_cached = is_cached
        self._port = predictor.port
        self._schedule = Path(f"/proc/{predictor.process.pid}/schedstat")

    def measure(self) -> float:
        """Return the CPU time (us) per request of a batch over a new connection."""
        with socket.create_connection(("127.0.0.1", self._port)) as connection:
            return self._measure(connection)

    def _measure(self, connection: socket.socket) -> float:
        requests = [
            b"".join(self._make_request() for _ in range(PIPELINED))
            for _ in range(BATCH // PIPELINED)
        ]
        before = self._read_cpu_ns()
        for several in requests:
            connection.sendall(several)
            received = b""
            while received.count(b"HTTP/1.1 ") < PIPELINED or not received.endswith(b"}"):
                piece = connection.recv(1 << 16)
                assert piece, "the predictor closed the connection"
                received += piece
            assert received.count(b"HTTP/1.1 200") == PIPELINED, received[:200]
        return (self._read_cpu_ns() - before) / BATCH / 1_000

    def _make_request(self) -> bytes:
        own = {} if self._is_cached else {"sleep_hours": random.uniform(3, 8)}
        body = json.dumps({**EXAMPLE, **own})
        return f"{self._head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

    def _read_cpu_ns(self) -> int:
        """CPU time of the process's main thread, which runs the event loop."""
        return int(self._schedule.read_text().split()[0])


def measure_times(off: Load, on: Load, pairs: int) -> tuple[float, float]:
    """Measure two loads in turns, the first one changing, after a turn of each to warm up.

    Args:
        off: The load without keys.
        on: The load with a key.
        pairs: Number of turns of each.

    Returns:
        The CPU time (us) per request without keys, and this times the median ratio of a pair: a
        turn that other programs disturb does not count.
    """
    off.measure()
    on.measure()
    times = []
    for pair in range(pairs):
        if pair % 2:
            with_keys, without = on.measure(), off.measure()
        else:
            without, with_keys = off.measure(), on.measure()
        times.append((without, with_keys))
    array = np.array(times)
    without = float(np.median(array[:, 0]))
    return without, without * float(np.median(array[:, 1] / array[:, 0]))


def estimate_ratio(times: Sequence[tuple[float, float]]) -> Ratio:
    """Estimate a ratio from several starts of the predictors.

    Two processes with the same settings differ by some percent as long as they run, so the interval
    is of the starts, not of the turns.

    Args:
        times: What `measure_times` returned for each start.

    Returns:
        The ratio of the second to the first, with a t interval of the logarithms.
    """
    array = np.array(times)
    logarithms = np.log(array[:, 1] / array[:, 0])
    error = stats.sem(logarithms) * stats.t.ppf(0.975, len(times) - 1)
    mean = logarithms.mean()
    low, value, high = np.exp([mean - error, mean, mean + error]).tolist()
    without, with_keys = array.mean(axis=0).tolist()
    return Ratio(value, low, high, (without, with_keys))
