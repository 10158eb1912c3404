"""uvicorn's HTTP protocol, with limits on request headers that uvicorn leaves to a proxy."""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.drain import Activity
from serving.refusals import RefusalLog

MAX_HEADER_BYTES = 65_536
"""Largest request line and headers; common proxies allow this or less."""
PROBE_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""Requests of the platform: they continue while draining, and are answered under any load."""
UPGRADE_HEADERS = frozenset({b"upgrade", b"http2-settings"})
ABORT = "abort_connection"
"""Key in a request's state of the function that ends its connection at once."""
PROBE_URLS = frozenset(path.encode() for path in PROBE_PATHS)


class Connection(HttpToolsProtocol):
    """Closes a connection whose request headers take too long or grow too large.

    The timeout also covers the wait for the first request; between two requests uvicorn's own
    keep-alive timer applies. Headers that arrive in one piece, as nearly all do, need no timer.

    A request that asks for another protocol (`Upgrade: h2c`, the default of Java's client) is
    answered by HTTP/1.1, as RFC 9110 section 7.8 allows.
    """

    def __init__(
        self,
        *arguments: Any,
        header_timeout_seconds: float,
        activity: Activity,
        refusals: RefusalLog,
        **named: Any,
    ) -> None:
        super().__init__(*arguments, **named)
        self._header_timeout_seconds = header_timeout_seconds
        self._activity = activity
        self._refusals = refusals
        self._is_pending = False
        self._in_headers = True
        self._header_bytes = 0
        self._header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        super().connection_made(transport)
        # Closing a transport waits until the client has read everything, aborting it does not.
        self.app_state = {**self.app_state, ABORT: transport.abort}
        self._is_pending = True
        self._activity.pending += 1
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._parse(data)
        if not self._in_headers:
            return
        self._header_bytes += len(data)
        if self._header_bytes > MAX_HEADER_BYTES:
            self._close("too large request headers")
        elif self._header_timer is None:
            self._start_timer()

    def on_message_begin(self) -> None:
        self._in_headers = True
        super().on_message_begin()

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse()
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])

    def _refuse(self) -> None:
        self._log_refusal("invalid HTTP")
        self.send_400_response("Invalid HTTP request received.")

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Parse the request again without its upgrade headers, followed by its body.

        The parser treats everything after the headers as the other protocol.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse()
            return
        version = self.parser.get_http_version().encode()
        head = [b"%b %b HTTP/%b" % (method, self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                kept = [token for token in tokens if token.lower() not in UPGRADE_HEADERS]
                head.append(b"connection: " + b", ".join(kept))
            elif name not in UPGRADE_HEADERS:
                head.append(b"%b: %b" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._parse(b"\r\n".join([*head, b"", rest]))

    def _should_upgrade(self) -> bool:
        """Make uvicorn skip what the parser reports of a request with an upgrade."""
        return True

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return
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
            self._header_timeout_seconds, self._close, "too slow request headers"
        )

    def _close(self, reason: str) -> None:
        if self._header_bytes:  # else an idle connection
            self._log_refusal(reason)
        self.transport.close()

    def _log_refusal(self, reason: str) -> None:
        address = self.client[0] if self.client else "unknown"
        self._refusals.record(reason, lambda: f"from {address}")

    def _stop_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _end_pending(self) -> None:
        if self._is_pending:
            self._is_pending = False
            self._activity.pending -= 1
