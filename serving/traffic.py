"""The log of live traffic: what was asked and answered, written to the lake in the background for the drift check.

Requests only append to a bounded queue. A thread writes what is there every few seconds, one compressed object a time, and the
rest when the process stops; while the lake is away the queue fills, and what no longer fits is dropped and counted.
"""

from __future__ import annotations

import gzip
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from pipeline.errors import PipelineError
from pipeline.lake import Lake
from serving.model import Scored

log = logging.getLogger(__name__)

SLICE = 2_000
"""Lines taken off the queue at a time: few enough that the event loop hardly waits."""
MAX_OBJECT = 100_000
"""Lines in one object."""
RETRY_SECONDS = 30
"""Longest pause between two tries while the lake is away."""


class TrafficLog:
    def __init__(self, open_lake: Callable[[], Lake], pod: str, share: float, max_rows: int, seconds: float) -> None:
        self.written = 0
        self.dropped = 0
        self._open_lake = open_lake
        self._pod = pod
        self._share = share
        self._max = max_rows
        self._seconds = seconds
        self._lines: deque[bytes] = deque()
        self._second = 0
        self._at = b""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic-log", daemon=True)

    def start(self) -> None:
        if self._share > 0:
            self._thread.start()

    def stop(self, seconds: float) -> None:
        """Writes what is left, within `seconds`."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    @property
    def waiting(self) -> int:
        return len(self._lines)

    def add(self, request_id: bytes, scored: Iterable[Scored]) -> None:
        """Logs a request's rows; never waits and never fails."""
        if self._share < 1 and random.random() >= self._share:  # noqa: S311 - a sample, no secret
            return
        prefix = b'{"at":"%b","request_id":"%b",' % (self._now(), request_id)
        lines = self._lines
        for row in scored:
            if len(lines) < self._max:
                lines.append(prefix + row.log)
            else:
                self.dropped += 1

    def _now(self) -> bytes:
        """The time in UTC, to the second; made into text once a second."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._at = datetime.fromtimestamp(second, UTC).isoformat().encode()
        return self._at

    def _run(self) -> None:
        pause = self._seconds
        pending: list[bytes] = []
        while True:
            stopping = self._stop.wait(pause)
            try:
                while pending or self._lines:
                    pending = pending or self._take()
                    self._write(pending)
                    self.written += len(pending)
                    pending = []
                pause = self._seconds
            except PipelineError as error:
                log.warning("live traffic waits: %s", error)
                pause = min(2 * pause, RETRY_SECONDS)
            except Exception:  # the thread must outlive whatever the lake's client raises
                log.exception("live traffic waits")
                pause = min(2 * pause, RETRY_SECONDS)
            if stopping:
                self.dropped += len(pending) + len(self._lines)
                return

    def _take(self) -> list[bytes]:
        taken: list[bytes] = []
        lines = self._lines
        while lines and len(taken) < MAX_OBJECT:
            taken += [lines.popleft() for _ in range(min(SLICE, len(lines)))]
            time.sleep(0)  # lets the event loop have the interpreter
        return taken

    def _write(self, lines: list[bytes]) -> None:
        lake = self._open_lake()
        data = gzip.compress(b"".join(lines), compresslevel=3)
        moment = datetime.now(UTC)
        number = int(moment.timestamp() * 1000)
        while not lake.create(f"silver/live/{moment:%Y-%m-%d}/{self._pod}-{number}.jsonl.gz", data):
            number += 1  # a pod that began again within the millisecond, or a clock set back
