"""Reads reports from the lake for the routes below /reports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from pipeline.errors import LakeError
from pipeline.storage.lake import Lake
from serving.http.problems import Unavailable
from serving.threads import lower_thread_priority

CACHE_SECONDS = 15
"""How long a report is served without reading it again. It is also the pause after an error."""
READ_TIMEOUT_SECONDS = 5
"""Timeout of a request that waits for the lake. The reading continues for later requests."""
MAX_CACHED_REPORTS = 8


@dataclass
class Reading:
    """A report that is being read, or was read a short time ago."""

    future: Future[bytes | None]
    started: float

    def is_recent(self) -> bool:
        """Whether it is running, or started less than CACHE_SECONDS ago."""
        return not self.future.done() or time.monotonic() < self.started + CACHE_SECONDS


class ReportReader:
    """Reads reports, one at a time, in its own thread.

    The lake gets at most one request per report in CACHE_SECONDS, for any number of clients. The
    methods belong to the event loop's thread.
    """

    def __init__(self, open_lake: Callable[[], Lake]) -> None:
        self._open_lake = open_lake
        self._thread = ThreadPoolExecutor(1, "reports", initializer=lower_thread_priority)
        self._readings: dict[str, Reading] = {}

    async def read(self, key: str) -> bytes | None:
        """Return a report, or None if there is none with that key.

        Raises:
            Unavailable: If the lake fails, or does not respond in time.
        """
        reading = self._readings.get(key)
        if reading is None or not reading.is_recent():
            reading = self._start(key)
        try:
            waiting = asyncio.shield(asyncio.wrap_future(reading.future))
            return await asyncio.wait_for(waiting, READ_TIMEOUT_SECONDS)
        except LakeError as error:
            raise Unavailable(f"The report cannot be read: {error}") from error
        except TimeoutError:
            raise Unavailable(
                f"The lake did not return the report within {READ_TIMEOUT_SECONDS} s; try again"
            ) from None

    def stop(self) -> None:
        """Stop reading."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _start(self, key: str) -> Reading:
        self._readings = {
            known: reading for known, reading in self._readings.items() if reading.is_recent()
        }
        if len(self._readings) >= MAX_CACHED_REPORTS:
            raise Unavailable("Too many reports are being read; try again")
        reading = Reading(self._thread.submit(self._read, key), time.monotonic())
        self._readings[key] = reading
        return reading

    def _read(self, key: str) -> bytes | None:
        lake = self._open_lake()
        return lake.read(key) if lake.exists(key) else None
