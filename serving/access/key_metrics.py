"""Prometheus metrics of callers. Labels are names of keys and roles, never a key or a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.access.keyring import KeyRing

if TYPE_CHECKING:
    from serving.access.tokens import Tokens


class KeyCollector(Collector):
    """Exposes the counts of callers and of refused requests when /metrics is read."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def collect(self) -> Iterator[Metric]:
        keys, label = self._keys, ("key",)
        requests = CounterMetricFamily(
            "predictor_key_requests", "Accepted requests with an API key", labels=label
        )
        rows = CounterMetricFamily("predictor_key_rows", "Rows predicted for a key", labels=label)
        limited = CounterMetricFamily(
            "predictor_key_limited", "Requests over a limit of the key", labels=label
        )
        for caller in list(keys.callers.values()):
            requests.add_metric((caller.name,), caller.requests)
            rows.add_metric((caller.name,), caller.rows)
            limited.add_metric((caller.name,), caller.limited)
        refused = CounterMetricFamily(
            "predictor_key_refused", "Requests without a valid API key", labels=("reason",)
        )
        for reason, count in list(keys.refused.items()):
            refused.add_metric((reason,), count)
        expiry = GaugeMetricFamily(
            "predictor_key_expiry_timestamp_seconds", "Time at which a key expires", labels=label
        )
        for name, expires_at in list(keys.expiries.items()):
            expiry.add_metric((name,), expires_at)
        yield from (requests, rows, limited, refused, expiry)
        yield GaugeMetricFamily(
            "predictor_keys_stale",
            "1 if the keys file has changed and cannot be read",
            value=float(keys.is_stale),
        )


class RoleCollector(Collector):
    """Exposes the counts of single sign-on by role when /metrics is read."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def collect(self) -> Iterator[Metric]:
        label = ("role",)
        requests = CounterMetricFamily(
            "predictor_role_requests", "Accepted requests for predictions by role", labels=label
        )
        rows = CounterMetricFamily("predictor_role_rows", "Rows predicted by role", labels=label)
        for role, caller in self._tokens.callers.items():
            requests.add_metric((role,), caller.requests)
            rows.add_metric((role,), caller.rows)
        refused = CounterMetricFamily(
            "predictor_token_refused", "Requests with a refused token", labels=("reason",)
        )
        for reason, count in list(self._tokens.refused.items()):
            refused.add_metric((reason,), count)
        yield from (requests, rows, refused)
        yield GaugeMetricFamily(
            "predictor_issuer_contact_timestamp_seconds",
            "Time of the last fetch of the issuer's keys; 0 for never",
            value=self._tokens.fetched_at,
        )
