"""uvicorn's HTTP protocol, with limits on request headers that uvicorn leaves to a proxy."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.drain import Activity

MAX_HEADER_BYTES = 65_536
"""Largest request line and headers; common proxies allow this or less."""
PROBE_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""Requests of the platform: they continue while draining, and are answered under any load."""
PROBE_URLS = frozenset(path.encode() for path in PROBE_PATHS)


class Connection(HttpToolsProtocol):
    """Closes a connection whose request headers take too long or grow too large.

    The timeout also covers the wait for the first request; between two requests uvicorn's own
    keep-alive timer applies. Headers that arrive in one piece, as nearly all do, need no timer.
    """

    def __init__(
        self, *arguments: Any, header_timeout_seconds: float, activity: Activity, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self._header_timeout_seconds = header_timeout_seconds
        self._activity = activity
        self._is_pending = False
        self._in_headers = True
        self._header_bytes = 0
        self._header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        super().connection_made(transport)
        self._is_pending = True
        self._activity.pending += 1
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._in_headers:
            return
        self._header_bytes += len(data)
        if self._header_bytes > MAX_HEADER_BYTES:
            self.transport.close()
        elif self._header_timer is None:
            self._start_timer()

    def on_message_begin(self) -> None:
        self._in_headers = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._header_bytes = 0
        self._stop_timer()
        self._end_pending()
        if self.url not in PROBE_URLS:
            self._activity.requests += 1
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._end_pending()
        super().connection_lost(exc)

    def _start_timer(self) -> None:
        self._header_timer = self.loop.call_later(
            self._header_timeout_seconds, self.transport.close
        )

    def _stop_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _end_pending(self) -> None:
        if self._is_pending:
            self._is_pending = False
            self._activity.pending -= 1
