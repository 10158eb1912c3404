"""The log of live traffic: rows and their predictions, written to the lake for drift detection.

Requests only append to a bounded queue. A thread writes the queued rows every few seconds, one
compressed object at a time, and the rest when the process stops. If the lake is unreachable the
queue fills up; rows that no longer fit are dropped and counted.
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
from pipeline.storage import layout
from pipeline.storage.lake import Lake
from serving.model.served_model import ScoredRow
from serving.threads import lower_thread_priority

log = logging.getLogger(__name__)

SLICE_LINES = 500
"""Lines compressed at a time: few enough that the event loop barely waits for the interpreter."""
COMPRESSION_LEVEL = 3
"""The lines are so similar that higher levels gain little."""
GZIP = 31
"""zlib's `wbits` for a gzip file."""
MAX_OBJECT_LINES = 100_000
MAX_RETRY_SECONDS = 30
"""Longest pause between two attempts while the lake is unreachable."""


class TrafficLog:
    """Logs predicted rows as gzipped JSON lines.

    Args:
        open_lake: Returns the lake; called in the log's thread.
        pod: Name of this process in the keys of its objects.
        sample_rate: Fraction of requests that are logged.
        max_rows: Largest number of queued rows.
        interval_seconds: Pause between two writes.
    """

    def __init__(
        self,
        open_lake: Callable[[], Lake],
        pod: str,
        sample_rate: float,
        max_rows: int,
        interval_seconds: float,
    ) -> None:
        self.written = 0
        self.dropped = 0
        self._open_lake = open_lake
        self._pod = pod
        self._sample_rate = sample_rate
        self._max_rows = max_rows
        self._interval_seconds = interval_seconds
        self._lines: deque[bytes] = deque()
        self._second = 0
        self._timestamp = b""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic-log", daemon=True)

    def start(self) -> None:
        if self._sample_rate > 0:
            self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Write the remaining rows, within the timeout."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    @property
    def waiting(self) -> int:
        return len(self._lines)

    def add(self, request_id: bytes, scored: Iterable[ScoredRow]) -> None:
        """Queue the rows of a request; never blocks and never fails."""
        if self._sample_rate < 1 and random.random() >= self._sample_rate:  # noqa: S311 - no secret
            return
        prefix = b'{"at":"%b","request_id":"%b",' % (self._now(), request_id)
        lines = self._lines
        for row in scored:
            if len(lines) < self._max_rows:
                lines.append(prefix + row.log)
            else:
                self.dropped += 1

    def _now(self) -> bytes:
        """The time in UTC to the second, formatted once per second."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._timestamp = datetime.fromtimestamp(second, UTC).isoformat().encode()
        return self._timestamp

    def _run(self) -> None:
        lower_thread_priority()
        pause = self._interval_seconds
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
                pause = self._interval_seconds
            except Exception as error:  # nothing may end the thread
                unexpected = not isinstance(error, PipelineError)
                log.warning("live traffic cannot be written yet: %s", error, exc_info=unexpected)
                pause = min(2 * pause, MAX_RETRY_SECONDS)
            if stopping:
                self.dropped += count + len(self._lines)
                return

    def _pack(self) -> tuple[bytes, int]:
        """Compress queued lines, at most one object's; return the bytes and the line count."""
        lines, count = self._lines, 0
        packer, pieces = zlib.compressobj(COMPRESSION_LEVEL, wbits=GZIP), []
        while lines and count < MAX_OBJECT_LINES:
            taken = [lines.popleft() for _ in range(min(SLICE_LINES, len(lines)))]
            count += len(taken)
            pieces.append(packer.compress(b"".join(taken)))  # releases the interpreter lock
        return b"".join([*pieces, packer.flush()]), count

    def _write(self, data: bytes) -> None:
        lake = self._open_lake()
        now = datetime.now(UTC)
        number = int(now.timestamp() * 1000)
        # The key exists if the pod restarted within the millisecond or a clock was set back.
        day = f"{now:%Y-%m-%d}"
        while not lake.create(layout.live_traffic_object(day, self._pod, number), data):
            number += 1
