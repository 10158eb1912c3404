"""The outermost ASGI layer: limits, keys, request ids, metrics, connection age, and a fast path.

`POST /predict` without a query string bypasses FastAPI, which would take longer than the
prediction itself: the middleware calls the route's handler (serving/routes/predict.py) directly.
FastAPI calls `authorize` (serving/routes/common.py) before the handler of each other route.
"""

from __future__ import annotations

import logging
import random
from time import perf_counter

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http.exchange import Exchange, Headers
from serving.http.problems import MEDIA_TYPE, UNEXPECTED, Problem, problem_body
from serving.http.protocol import PROBE_PATHS
from serving.permissions import Access
from serving.refusals import REFUSING_STATUSES, RefusalLog, describe_request
from serving.routes.predict import answer_predict
from serving.service import Service

log = logging.getLogger(__name__)

JSON = (b"content-type", b"application/json")
PROBLEM = (b"content-type", MEDIA_TYPE.encode())
MAX_CONNECTIONS = 20_000
"""Number of connections whose expiry is stored; beyond it, expired ones are forgotten."""


class Middleware:
    """Wraps the FastAPI application."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        self._max_age = service.settings.max_connection_age_seconds
        self._expiry: dict[object, float] = {}
        self._refusals = RefusalLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        service, metrics = self._service, self._service.metrics
        exchange = Exchange(scope, receive, send, service.request_id, self._must_close)
        path, is_post = scope["path"], scope["method"] == "POST"
        is_fast = is_post and path == "/predict" and not scope["query_string"]
        metrics.in_flight += 1
        try:
            if path not in PROBE_PATHS:
                service.admit()
            if is_fast:
                await service.authorize(exchange, Access.PREDICT)
                model, body = await answer_predict(service, exchange)
                await exchange.respond(200, [JSON, model.header], body)
            else:
                scope.setdefault("state", {})["exchange"] = exchange
                if scope["method"] == "HEAD":  # as GET; the server sends no body
                    scope = {**scope, "method": "GET"}
                await self._app(scope, receive, exchange.send)
        except Problem as problem:
            exchange.is_body_unread = problem.is_body_unread
            body = service.describe(problem, path)
            await exchange.respond(problem.status, problem_headers(problem), body)
        except Exception:
            request_id = exchange.request_id.decode()
            log.exception("%s %s failed, request %s", scope["method"], path, request_id)
            if not exchange.status:
                await exchange.respond(500, [PROBLEM], problem_body(500, UNEXPECTED))
        finally:
            metrics.in_flight -= 1
            route = "/predict" if is_fast else _get_route(scope)
            if exchange.status in REFUSING_STATUSES:
                self._log_refusal(scope, exchange)
            metrics.observe(route, exchange.status or 500, perf_counter() - started)

    def _log_refusal(self, scope: Scope, exchange: Exchange) -> None:
        self._refusals.record(
            f"with {exchange.status}",
            lambda: describe_request(
                scope["method"], scope["path"], scope["client"], exchange.request_id
            ),
        )

    def _must_close(self, client: object) -> bool:
        """Whether a response closes its connection: while draining, or when it is old enough."""
        if self._service.draining:
            return True
        if not self._max_age or client is None:
            return False
        now = perf_counter()
        expiry = self._expiry.get(client)
        # An expiry long past belongs to an earlier connection from the same port.
        if expiry is None or now > expiry + self._max_age:
            if len(self._expiry) >= MAX_CONNECTIONS:
                self._expiry = {known: when for known, when in self._expiry.items() if when > now}
            spread = random.uniform(0.8, 1.2)  # noqa: S311 - so that not all close at once
            self._expiry[client] = now + self._max_age * spread
            return False
        if now < expiry:
            return False
        del self._expiry[client]
        return True


def problem_headers(problem: Problem) -> Headers:
    """Return a problem's headers as ASGI expects them."""
    extra = [
        (name.lower().encode(), value.encode()) for name, value in problem.get_headers().items()
    ]
    return [PROBLEM, *extra]


def _get_route(scope: Scope) -> str:
    """Pattern of the request's route: a label that clients cannot multiply by inventing paths."""
    return getattr(scope.get("route"), "path", "other")
