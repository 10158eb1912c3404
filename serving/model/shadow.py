"""Shadow scoring: a second version scores the live traffic, and its predictions are only counted.

The scoring runs in its own thread, outside the requests.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.model.decision import DIGITS, is_positive
from serving.http.responses import Shadow
from serving.http.rows import Matrix, Row
from serving.model.served_model import Model, ScoredRow
from serving.threads import lower_thread_priority

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 1.0
MAX_ROWS = 1_000
"""Largest number of rows per interval, the latest ones: more would slow down requests."""
TIMED_ROWS = 32
"""Number of rows per interval on which both versions are timed."""


class Comparison:
    """Counts how a shadow version compares with the served version."""

    def __init__(self, shadow: Model, served: Model) -> None:
        self.shadow = shadow
        self.served = served
        self.rows = 0
        self.agreed = 0
        self.difference = 0.0
        self.failed = 0
        self.shadow_seconds = 0.0
        self.served_seconds = 0.0

    def add(self, rows: Matrix, probabilities: NDArray[np.float64]) -> None:
        """Score rows with the shadow and compare the result.

        Args:
            rows: Features, shape (n_rows, n_features).
            probabilities: Probabilities from the served version, shape (n_rows,).
        """
        exact = self.shadow.scorer(rows).astype(np.float64)
        shadow_probabilities: NDArray[np.float64] = np.round(exact, DIGITS)
        shadow_positive = is_positive(shadow_probabilities, self.shadow.threshold)
        served_positive = is_positive(probabilities, self.served.threshold)
        self.agreed += int(np.sum(shadow_positive == served_positive))
        self.difference += float(np.sum(np.abs(shadow_probabilities - probabilities)))
        self.rows += len(rows)
        self.shadow_seconds += _time_scoring(self.shadow, rows[:TIMED_ROWS])
        self.served_seconds += _time_scoring(self.served, rows[:TIMED_ROWS])

    def facts(self) -> Shadow:
        """Return the counts for `/model`."""
        ratio = self.shadow_seconds / self.served_seconds if self.served_seconds else None
        agreement = self.agreed / self.rows if self.rows else None
        return Shadow(
            version=self.shadow.version, rows=self.rows, agreement=agreement, latency_ratio=ratio
        )


def _time_scoring(model: Model, rows: Matrix) -> float:
    """CPU seconds that the model needs for these rows."""
    started = time.thread_time()
    model.scorer(rows)
    return time.thread_time() - started


class ShadowScorer:
    """Runs the comparison in a thread; the event loop adds what was predicted."""

    def __init__(self) -> None:
        self.comparison: Comparison | None = None
        self._predicted: deque[tuple[Model, Row, float]] = deque(maxlen=MAX_ROWS)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def compare(self, shadow: Model | None, served: Model | None) -> None:
        """Compare these two versions from now on, or continue if they are compared already.

        None, or the same version twice, ends the comparison.
        """
        current = self.comparison
        if shadow is None or served is None or shadow.identity == served.identity:
            self.comparison = None
        elif current is None or current.shadow is not shadow or current.served is not served:
            self.comparison = Comparison(shadow, served)

    def add(self, model: Model, rows: Sequence[Row], scored: Sequence[ScoredRow]) -> None:
        """Queue rows with the predictions of `model`; never blocks."""
        self._predicted.extend(
            (model, row, item.probability) for row, item in zip(rows, scored, strict=True)
        )

    def _run(self) -> None:
        lower_thread_priority()
        while not self._stop.wait(INTERVAL_SECONDS):
            queued = [self._predicted.popleft() for _ in range(len(self._predicted))]
            comparison = self.comparison
            if comparison is None:
                continue
            compared = [
                (row, probability)
                for model, row, probability in queued
                if model is comparison.served
            ]
            if compared:
                self._add(comparison, compared)

    def _add(self, comparison: Comparison, compared: list[tuple[Row, float]]) -> None:
        rows, probabilities = zip(*compared, strict=True)
        try:
            comparison.add(np.array(rows, np.float32), np.array(probabilities))
        except Exception:  # a broken shadow must not end the thread
            comparison.failed += len(rows)
            version = comparison.shadow.version
            log.exception("shadow version %s failed on %d rows", version, len(rows))
