"""The outermost layer, plain ASGI: limits, request ids, metrics, the key, connections' ages; and the short way of POST /predict.

`POST /predict` without a query is answered here, with none of the framework's work between the socket and the model. It is
the same reading, scoring and answering that serving/routes/predict.py documents and does for the query's other cases.
"""

from __future__ import annotations

import logging
import random
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.problems import MEDIA_TYPE, Problem, body_of
from serving.service import Service, answer_body

log = logging.getLogger(__name__)

JSON = (b"content-type", b"application/json")
CLOSE = (b"connection", b"close")
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Answered however busy the process is."""
MAX_KNOWN = 20_000
"""Connections whose age is remembered; past that the oldest are forgotten, and live on."""

Headers = list[tuple[bytes, bytes]]


class Front:
    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        self._settings = service.settings
        self._expiry: dict[object, float] = {}
        self._predict = service.counts.routes["/predict"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif (
            scope["path"] == "/predict" and scope["method"] == "POST" and not scope["query_string"]
        ):
            await self._short(scope, receive, send)
        else:
            await self._long(scope, receive, send)

    async def _short(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        service = self._service
        headers = dict(scope["headers"])
        request_id = service.request_id(headers.get(b"x-request-id"))
        counts = service.counts
        counts.in_flight += 1
        status = 200
        try:
            service.admit()
            service.authorize(headers)
            body = await service.bodies.json(headers, receive)
            model = service.model()
            rows = service.reader.rows(body)
            scored = await service.predict(model, rows, request_id)
            answer = answer_body(model, scored)
            out = [JSON, model.header]
        except Problem as problem:
            status, answer, out = problem.status, problem.body(), problem_headers(problem)
        except Exception:
            log.exception("POST /predict failed, request %s", request_id.decode())
            status, answer, out = (
                500,
                body_of(500, UNEXPECTED),
                [(b"content-type", MEDIA_TYPE.encode())],
            )
        finally:
            counts.in_flight -= 1
        out.append((b"x-request-id", request_id))
        out.append((b"content-length", b"%d" % len(answer)))
        if self._closes(scope["client"], started):
            out.append(CLOSE)
        await send({"type": "http.response.start", "status": status, "headers": out})
        await send({"type": "http.response.body", "body": answer})
        if status == 500:
            counts.errors += 1
        self._predict.observe(status, perf_counter() - started)

    async def _long(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The framework's way, between the same limits and counts."""
        started = perf_counter()
        service = self._service
        headers = dict(scope["headers"])
        request_id = service.request_id(headers.get(b"x-request-id"))
        scope.setdefault("state", {})["request_id"] = request_id
        closes = self._closes(scope["client"], started)
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id),
                    *([CLOSE] if closes else ()),
                ]
            await send(message)

        counts = service.counts
        counts.in_flight += 1
        try:
            if scope["path"] not in PROBES:
                service.admit()
            if scope["method"] == "POST":  # whatever predicts
                service.authorize(headers)
            await self._app(scope, receive, sending)
        except Problem as problem:
            await send_problem(problem, sending)
        finally:
            counts.in_flight -= 1
            if status == 500:
                counts.errors += 1
            counts.routes[_route(scope)].observe(status, perf_counter() - started)

    def _closes(self, client: object, now: float) -> bool:
        """Whether the connection is to be closed after this answer: a stop is under way, or it is old enough."""
        if self._service.draining:
            return True
        limit = self._settings.max_connection_age_seconds
        if not limit or client is None:
            return False
        expiry = self._expiry.get(client)
        if expiry is None or now > expiry + limit:  # new, or its port was taken again by another
            if len(self._expiry) >= MAX_KNOWN:
                self._expiry = {known: when for known, when in self._expiry.items() if when > now}
            self._expiry[client] = now + limit * random.uniform(0.8, 1.2)  # noqa: S311 - so that they do not all come at once
            return False
        if now < expiry:
            return False
        del self._expiry[client]
        return True


UNEXPECTED = "Something failed that should not; the predictor's log has it under this X-Request-ID"


def problem_headers(problem: Problem) -> Headers:
    extra = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    return [(b"content-type", MEDIA_TYPE.encode()), *extra]


async def send_problem(problem: Problem, send: Send) -> None:
    body = problem.body()
    headers = [*problem_headers(problem), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _route(scope: Scope) -> str:
    """The route's pattern, so that clients cannot make up metrics by making up paths."""
    return getattr(scope.get("route"), "path", "other")
