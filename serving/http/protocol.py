"""A client's connection: uvicorn's, with bounds on a request's head, which uvicorn leaves to a proxy in front of it."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.drain import Activity

MAX_HEAD_BYTES = 65_536
"""Request line and headers; what common proxies allow and more."""
PROBE_URLS = frozenset({b"/healthz", b"/readyz", b"/metrics"})
"""Requests of the platform, which come until the process ends."""


class Connection(HttpToolsProtocol):
    """Closes when a request's head does not end in `header_timeout_seconds`, the wait for a first one included, or grows too large.

    Between two requests uvicorn's own keep-alive timer holds. A head that comes whole, as nearly all do, costs no timer.
    """

    def __init__(
        self, *arguments: Any, header_timeout_seconds: float, activity: Activity, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self._header_timeout_seconds = header_timeout_seconds
        self._activity = activity
        self._is_pending = False
        self._in_head = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        super().connection_made(transport)
        self._is_pending = True
        self._activity.pending += 1
        self._head_timer = self.loop.call_later(self._header_timeout_seconds, transport.close)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self.transport.close()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(
                self._header_timeout_seconds, self.transport.close
            )

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        self._stop_timer()
        self._end_pending()
        if self.url not in PROBE_URLS:
            self._activity.requests += 1
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._end_pending()
        super().connection_lost(exc)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_pending(self) -> None:
        if self._is_pending:
            self._is_pending = False
            self._activity.pending -= 1
