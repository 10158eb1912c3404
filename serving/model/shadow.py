"""The shadow: a version that scores the traffic which another one answers, off the request path, and is only counted."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque

import numpy as np

from serving.http.requests import Matrix, Row
from serving.http.responses import Shadow
from serving.model.served_model import Model, Scored
from serving.threads import stand_back

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
MAX_ROWS = 1_000
"""Rows that are compared in each second: the latest ones. More would take the processor from those who wait for answers."""
TIMED_ROWS = 32


class Comparison:
    """Counts of one shadow version beside one served version."""

    def __init__(self, shadow: Model, served: Model) -> None:
        self.shadow = shadow
        self.served = served
        self.rows = 0
        self.agreed = 0
        self.difference = 0.0
        self.failed = 0
        self.shadow_seconds = 0.0
        self.served_seconds = 0.0

    def add(
        self, rows: Matrix, probabilities: np.ndarray[tuple[int], np.dtype[np.float64]]
    ) -> None:
        """Scores `rows`, which the served model gave these probabilities."""
        theirs = np.round(self.shadow.scorer(rows).astype(np.float64), 7)
        labels = theirs >= self.shadow.threshold
        self.agreed += int(np.sum(labels == (probabilities >= self.served.threshold)))
        self.difference += float(np.sum(np.abs(theirs - probabilities)))
        self.rows += len(rows)
        for model, field in ((self.shadow, "shadow_seconds"), (self.served, "served_seconds")):
            started = time.thread_time()
            model.scorer(rows[:TIMED_ROWS])
            setattr(self, field, getattr(self, field) + time.thread_time() - started)

    def facts(self) -> Shadow:
        ratio = self.shadow_seconds / self.served_seconds if self.served_seconds else None
        agreement = self.agreed / self.rows if self.rows else None
        return Shadow(
            version=self.shadow.version, rows=self.rows, agreement=agreement, latency_ratio=ratio
        )


class ShadowScorer:
    """Runs the comparison in a thread; the event loop hands it what was answered by `add`."""

    def __init__(self) -> None:
        self.comparison: Comparison | None = None
        self._seen: deque[tuple[Model, Row, float]] = deque(maxlen=MAX_ROWS)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def compare(self, shadow: Model | None, served: Model | None) -> None:
        """Begins to compare these two, unless they are compared already; None, or twice the same version, ends it."""
        if shadow is None or served is None or shadow.identity == served.identity:
            self.comparison = None
        elif (
            self.comparison is None
            or self.comparison.shadow is not shadow
            or self.comparison.served is not served
        ):
            self.comparison = Comparison(shadow, served)

    def add(self, model: Model, rows: list[Row], scored: list[Scored]) -> None:
        """What `model` answered; never waits."""
        self._seen.extend(
            (model, row, item.probability) for row, item in zip(rows, scored, strict=True)
        )

    def _run(self) -> None:
        stand_back()
        while not self._stop.wait(PAUSE_SECONDS):
            comparison = self.comparison
            taken = [self._seen.popleft() for _ in range(len(self._seen))]
            if comparison is None:
                continue
            mine = [
                (row, probability)
                for model, row, probability in taken
                if model is comparison.served
            ]
            if mine:
                rows, probabilities = zip(*mine, strict=True)
                try:
                    comparison.add(np.array(rows, np.float32), np.array(probabilities))
                except Exception:  # a broken shadow is counted, and hurts nobody
                    comparison.failed += len(mine)
                    log.exception(
                        "shadow version %s failed on %d rows", comparison.shadow.version, len(mine)
                    )
