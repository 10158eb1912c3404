"""The predictor's metrics, counted in plain integers on the event loop and laid out for Prometheus when it asks."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

if TYPE_CHECKING:
    from serving.service import Service

BOUNDS = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
"""Upper ends (seconds) of the latency histogram's buckets."""


class Route:
    """Counts of one route."""

    def __init__(self) -> None:
        self.statuses: dict[int, int] = defaultdict(int)
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def observe(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds


class Counts:
    """Written on the event loop's thread alone."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = defaultdict(Route)
        self.rows = 0
        self.errors = 0
        """Answers of 500 and predictions that failed."""
        self.in_flight = 0


class Collector:
    """Lays the counts out; registered once with a prometheus_client registry."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        yield from self._traffic(self._service.counts)
        yield from self._models()
        yield from self._shadow()
        log = self._service.traffic
        yield CounterMetricFamily(
            "predictor_log_rows_written",
            "Rows of live traffic written to the lake",
            value=log.written,
        )
        yield CounterMetricFamily(
            "predictor_log_rows_dropped", "Rows of live traffic dropped", value=log.dropped
        )
        yield GaugeMetricFamily(
            "predictor_log_rows_waiting", "Rows of live traffic not yet written", value=log.waiting
        )

    def _traffic(self, counts: Counts) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "predictor_requests", "Requests answered", labels=("route", "status")
        )
        latency = HistogramMetricFamily(
            "predictor_request_seconds", "From a request's headers to its answer", labels=("route",)
        )
        for name, route in list(counts.routes.items()):
            for status, count in list(route.statuses.items()):
                requests.add_metric((name, str(status)), count)
            ends = (*(str(bound) for bound in BOUNDS), "+Inf")
            latency.add_metric(
                (name,), list(zip(ends, accumulate(route.buckets), strict=True)), route.seconds
            )
        yield requests
        yield latency
        yield CounterMetricFamily("predictor_rows", "Rows predicted", value=counts.rows)
        yield CounterMetricFamily(
            "predictor_errors", "Answers of 5xx and predictions that failed", value=counts.errors
        )
        yield GaugeMetricFamily("predictor_in_flight", "Requests in work", value=counts.in_flight)

    def _models(self) -> Iterator[Metric]:
        models = self._service.models
        info = GaugeMetricFamily(
            "predictor_model_info",
            "1 for the model that answers",
            labels=("name", "version", "run_id"),
        )
        age = GaugeMetricFamily(
            "predictor_model_age_seconds", "Since the model that answers was trained"
        )
        if served := models.served:
            info.add_metric((served.manifest.name, served.version, served.manifest.run_id), 1)
            age.add_metric(
                (), time.time() - datetime.fromisoformat(served.manifest.created).timestamp()
            )
        yield info
        yield age
        yield GaugeMetricFamily(
            "predictor_ready", "1 if it can predict", value=float(self._service.ready)
        )
        yield CounterMetricFamily(
            "predictor_model_swaps",
            "Times that another version began to answer",
            value=models.swaps,
        )
        yield CounterMetricFamily(
            "predictor_model_refused", "Versions that were refused, by tries", value=models.refused
        )
        contact = GaugeMetricFamily(
            "predictor_registry_contact_timestamp_seconds", "Time of its last answer; 0 for never"
        )
        contact.add_metric((), models.contact)
        yield contact

    def _shadow(self) -> Iterator[Metric]:
        comparison = self._service.shadow.comparison
        labels = ("version",)
        rows = CounterMetricFamily(
            "predictor_shadow_rows", "Rows the shadow version scored", labels=labels
        )
        agreed = CounterMetricFamily(
            "predictor_shadow_rows_agreed", "Of these, with the same label", labels=labels
        )
        failed = CounterMetricFamily(
            "predictor_shadow_rows_failed", "Rows the shadow version failed on", labels=labels
        )
        apart = CounterMetricFamily(
            "predictor_shadow_difference", "Sum of the probabilities' differences", labels=labels
        )
        ratio = GaugeMetricFamily(
            "predictor_shadow_latency_ratio",
            "The shadow's scoring time over the model's",
            labels=labels,
        )
        if comparison is not None:
            facts = comparison.facts()
            rows.add_metric((facts.version,), comparison.rows)
            agreed.add_metric((facts.version,), comparison.agreed)
            failed.add_metric((facts.version,), comparison.failed)
            apart.add_metric((facts.version,), comparison.difference)
            if facts.latency_ratio is not None:
                ratio.add_metric((facts.version,), facts.latency_ratio)
        yield from (rows, agreed, failed, apart, ratio)
