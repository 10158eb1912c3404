"""Predictors over HTTP for `verify`: small real servers that follow the registry, and misbehave on request."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import numpy as np

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.model.onnx import open_session, positive_probability
from pipeline.tracking.registry import MANIFEST_TAG, PRODUCTION, Registry

Fault = Literal[
    "none", "stuck", "wrong numbers", "wrong labels", "not a number", "errors", "garbage", "away"
]


class Follower:
    """What a predictor knows: the production model, or with `fault`, on version `bad` and later ones, something worse."""

    def __init__(
        self,
        registry: Registry,
        fault: Fault,
        bad: str | None,
        shadow: dict[str, Any] | None = None,
    ) -> None:
        self.registry, self.fault, self.bad, self.shadow = registry, fault, bad, shadow
        self.errors = 0
        self._bundles: dict[str, Any] = {}

    def version(self) -> str:
        found = self.registry.get_by_alias(PRODUCTION)
        assert found is not None
        if self.misbehaves(found.number) and self.fault == "stuck":
            return "0"
        return found.number

    def misbehaves(self, number: str) -> bool:
        return self.bad is not None and number == self.bad

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        """Status and answer; text is sent as it is, anything else as JSON."""
        number = self.version()
        fault = self.fault if self.misbehaves(number) else "none"
        if fault == "away":
            return 503, {"title": "not ready"}
        if fault == "garbage":
            return 200, "<html>"
        if path == "/model":
            return 200, {"version": number, "shadow": self.shadow}
        if path == "/metrics":
            self.errors += fault == "errors"
            return (
                200,
                f'# TYPE predictor_errors_total counter\npredictor_errors_total{{kind="model"}} {self.errors}.0\n',
            )
        return 200, self._predict(number, fault, body)

    def _predict(self, number: str, fault: str, body: list[dict[str, float]]) -> dict[str, Any]:
        if number not in self._bundles:
            version = (
                self.registry.get_version(number)
                if number != "0"
                else self.registry.list_versions()[0]
            )
            self._bundles[number] = self.registry.get_bundle(
                version.run_id, version.tags.get(MANIFEST_TAG)
            )
        bundle = self._bundles[number]
        rows = [[row[name] for name in FEATURE_NAMES] for row in body]
        probabilities = positive_probability(open_session(bundle), rows)
        positive = probabilities >= bundle.manifest.threshold
        if fault == "wrong numbers":
            probabilities = 1 - probabilities
        if fault == "not a number":
            probabilities = np.full(len(rows), np.nan)
        if fault == "wrong labels":
            positive = ~positive
        labels = np.where(positive, LABEL.positive, LABEL.negative).tolist()
        predictions = [
            {"label": label, "fail_probability": value}
            for label, value in zip(labels, probabilities.tolist(), strict=True)
        ]
        return {"predictions": predictions, "model": {"version": number}}


def _handler(answer: Callable[[str, Any], tuple[int, Any]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(*answer(self.path, None))

        def do_POST(self) -> None:
            self._send(
                *answer(self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            )

        def _send(self, status: int, content: Any) -> None:
            data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    return Handler


@contextlib.contextmanager
def serving(
    answer: Callable[[str, Any], tuple[int, Any]], address: str = "127.0.0.1", port: int = 0
) -> Iterator[int]:
    """A server on `address`, and its port."""
    server = ThreadingHTTPServer((address, port), _handler(answer))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
