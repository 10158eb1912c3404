"""A predictor for tests of deployments: a small server that follows the registry, with faults."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.model.bundle import Bundle
from pipeline.model.onnx import open_session, positive_probability
from pipeline.tracking.registry import PRODUCTION, Registry
from tests.support.http_server import Request, Response, serve

Fault = Literal[
    "none", "stuck", "wrong numbers", "wrong labels", "not a number", "errors", "garbage", "away"
]


class FakePredictor:
    """Serves the version that has the alias `production` at the time of each request.

    Args:
        registry: The registry that it follows.
        fault: What goes wrong while version `bad` is in production.
        bad: The version with the fault.
        shadow: What `/model` says about shadow traffic, from the first request to the last; the
            last one stays.
    """

    def __init__(
        self,
        registry: Registry,
        fault: Fault = "none",
        bad: str | None = None,
        shadow: Sequence[dict[str, Any]] = (),
    ) -> None:
        self._registry, self._fault, self._bad, self._shadow = registry, fault, bad, [*shadow]
        self._errors = 0
        self._bundles: dict[str, Bundle] = {}

    @contextlib.contextmanager
    def run(self, address: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
        """Run the server; yields its URL."""
        with serve(self.handle, address, port) as url:
            yield url

    def handle(self, request: Request) -> Response:
        """Respond to `/model`, `/metrics` or `/predict`."""
        production = self._registry.get_by_alias(PRODUCTION)
        assert production is not None
        number = production.number
        fault = self._fault if number == self._bad else "none"
        if fault == "away":
            return Response(503, {"title": "not ready"})
        if fault == "garbage":
            return Response(200, "<html>")
        if request.path == "/model":
            version = "0" if fault == "stuck" else number
            return Response(200, {"version": version, "shadow": self._get_shadow()})
        if request.path == "/metrics":
            self._errors += fault == "errors"
            return Response(200, f'predictor_errors_total{{kind="model"}} {self._errors}.0\n')
        return Response(200, self._predict(number, fault, json.loads(request.body)))

    def _get_shadow(self) -> dict[str, Any] | None:
        if len(self._shadow) > 1:
            return self._shadow.pop(0)
        return self._shadow[0] if self._shadow else None

    def _predict(self, number: str, fault: Fault, rows: list[dict[str, float]]) -> dict[str, Any]:
        if number not in self._bundles:
            version = self._registry.get_version(number)
            self._bundles[number] = self._registry.get_version_bundle(version)
        bundle = self._bundles[number]
        features = [[row[name] for name in FEATURE_NAMES] for row in rows]
        probabilities = positive_probability(open_session(bundle), features)
        positive = probabilities >= bundle.manifest.threshold
        if fault == "wrong numbers":
            probabilities = 1 - probabilities
        if fault == "not a number":
            probabilities = np.full(len(rows), np.nan)
        if fault == "wrong labels":
            positive = ~positive
        labels = np.where(positive, LABEL.positive, LABEL.negative).tolist()
        predictions = [
            {"label": label, "probability": value}
            for label, value in zip(labels, probabilities.tolist(), strict=True)
        ]
        return {"predictions": predictions, "model": {"version": number}}
