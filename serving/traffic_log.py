"""The log of live traffic: what was asked and answered, written to the lake in the background for the drift check.

Requests only append to a bounded queue. A thread writes what is there every few seconds, one compressed object a time, and the
rest when the process stops; while the lake is away the queue fills, and what no longer fits is dropped and counted.
"""

from __future__ import annotations

import logging
import random
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from pipeline.errors import PipelineError
from pipeline.storage.lake import Lake
from pipeline.storage.layout import live_traffic_object
from serving.model.served_model import Scored
from serving.threads import stand_back

log = logging.getLogger(__name__)

SLICE = 500
"""Lines taken off the queue at a time: few enough that the event loop hardly waits."""
LEVEL = 3
"""Of compression: lines much alike shrink to a fraction at the quickest levels already."""
GZIP = 31
"""zlib's `wbits` for a gzip file."""
MAX_OBJECT = 100_000
"""Lines in one object."""
RETRY_SECONDS = 30
"""Longest pause between two tries while the lake is away."""


class TrafficLog:
    def __init__(
        self, open_lake: Callable[[], Lake], pod: str, share: float, max_rows: int, seconds: float
    ) -> None:
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
        stand_back()
        pause = self._seconds
        packed, count = b"", 0
        while True:
            stopping = self._stop.wait(pause)
            try:
                while count or self._lines:
                    if not count:
                        packed, count = self._pack()
                    self._write(packed)
                    self.written += count
                    packed, count = b"", 0
                pause = self._seconds
            except PipelineError as error:
                log.warning("live traffic waits: %s", error)
                pause = min(2 * pause, RETRY_SECONDS)
            except Exception:  # the thread must outlive whatever the lake's client raises
                log.exception("live traffic waits")
                pause = min(2 * pause, RETRY_SECONDS)
            if stopping:
                self.dropped += count + len(self._lines)
                return

    def _pack(self) -> tuple[bytes, int]:
        """What waits, up to an object's worth, compressed; and how many lines that is."""
        lines, count = self._lines, 0
        packer, pieces = zlib.compressobj(LEVEL, wbits=GZIP), []
        while lines and count < MAX_OBJECT:
            taken = [lines.popleft() for _ in range(min(SLICE, len(lines)))]
            count += len(taken)
            pieces.append(
                packer.compress(b"".join(taken))
            )  # meanwhile the event loop has the interpreter
        return b"".join([*pieces, packer.flush()]), count

    def _write(self, data: bytes) -> None:
        lake = self._open_lake()
        moment = datetime.now(UTC)
        number = int(moment.timestamp() * 1000)
        day = f"{moment:%Y-%m-%d}"
        while not lake.create(live_traffic_object(day, self._pod, number), data):
            number += 1  # a pod that began again within the millisecond, or a clock set back
