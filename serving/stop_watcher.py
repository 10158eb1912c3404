"""Notices the marker of `python -m pipeline stop`: a thread polls the lake for it.

While the marker cannot be read, the last known state holds. A process that has never read it does
not answer, because answers may be stopped.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.errors import PipelineError
from pipeline.storage.lake import Lake
from pipeline.tracking.stop_marker import Stop, read_stop
from serving.http.problems import Stopped, Unavailable
from serving.threads import lower_thread_priority

log = logging.getLogger(__name__)


class StopWatcher(Collector):
    """Knows whether answers are stopped.

    Args:
        open_lake: Returns the lake; called in the watcher's thread.
        interval_seconds: Pause between two polls.
    """

    def __init__(self, open_lake: Callable[[], Lake], interval_seconds: float) -> None:
        self.stop_marker: Stop | None = None
        """The marker, or None if answers are not stopped."""
        self.is_known = False
        """Whether it was read at least once."""
        self._may_answer = False
        self._problem = ""
        self._open_lake = open_lake
        self._interval_seconds = interval_seconds
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stop-watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()

    def collect(self) -> Iterator[Metric]:
        """Expose the state when /metrics is read."""
        yield GaugeMetricFamily(
            "predictor_stopped",
            "1 if predictions are refused: somebody stopped all answers, or it is not known yet",
            value=float(not self._may_answer),
        )

    def check(self) -> None:
        """Check that answers are not stopped; cheap enough for each request.

        Raises:
            Stopped: If they are.
            Unavailable: If it is not known yet.
        """
        if self._may_answer:
            return
        self.check_known()
        if (marker := self.stop_marker) is not None:
            raise Stopped(marker.by, marker.at, marker.reason)

    def check_known(self) -> None:
        """Raises: Unavailable: If it is not known yet whether answers are stopped."""
        if not self.is_known:
            reason = self._problem or "the lake was not read yet"
            raise Unavailable(f"It is not known yet whether answers are stopped: {reason}")

    def _run(self) -> None:
        lower_thread_priority()
        while True:
            self.poll()
            if self._end.wait(self._interval_seconds):
                return

    def poll(self) -> None:
        """Read the marker once."""
        try:
            marker = read_stop(self._open_lake())
        except Exception as error:  # nothing may end the thread
            if str(error) != self._problem:
                unexpected = not isinstance(error, PipelineError)
                log.warning("the marker of a stop cannot be read: %s", error, exc_info=unexpected)
            self._problem = str(error)
            return
        self._problem = ""
        if marker != self.stop_marker:
            log.warning("%s", marker or "answers are resumed")
        self.stop_marker, self._may_answer = marker, marker is None
        self.is_known = True
