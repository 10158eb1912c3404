"""One HTTP request and its response, as the middleware and the handlers see them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from starlette.types import Message, Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]
CLOSE = (b"connection", b"close")
LINGER_BYTES = 64 << 20
"""Bytes of an unread body that are discarded after the response."""
LINGER_SECONDS = 10
"""How long they are discarded."""


class CountsRows(Protocol):
    """Somebody whose predicted rows are counted."""

    rows: int


class Exchange:
    """A request with its id, and the sender of its response.

    Args:
        scope: ASGI's scope of the request.
        receive: Receives the request's body.
        send: Sends the response's messages.
        make_request_id: Returns the request's id, given the one that the client sent, if any.
        must_close: Returns whether the response closes the connection of this client.
    """

    __slots__ = (
        *("_client", "_must_close", "_send"),
        *("caller", "headers", "is_body_unread", "receive", "request_id", "status"),
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        make_request_id: Callable[[bytes | None], bytes],
        must_close: Callable[[object], bool],
    ) -> None:
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        """By lower-case name; of repeated headers the last."""
        self.caller: CountsRows | None = None
        """Whose API key the request has; None if no key is required."""
        self.receive = receive
        self.request_id = make_request_id(self.headers.get(b"x-request-id"))
        self.status = 0
        """Status of the response; 0 until it is sent."""
        self.is_body_unread = False
        """Whether the client may still be sending when it gets the response."""
        self._client: object = scope["client"]
        self._must_close = must_close
        self._send = send

    @property
    def content_type(self) -> str:
        """The content type without its parameters, in lower case; empty if there is none."""
        given = self.headers.get(b"content-type", b"").decode("latin-1")
        return given.split(";", 1)[0].strip().lower()

    async def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole response; `headers` is extended."""
        self.status = status
        headers += ((b"content-length", b"%d" % len(body)), (b"x-request-id", self.request_id))
        if self._must_close(self._client):
            headers.append(CLOSE)
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        message = {"type": "http.response.body", "body": body}
        await (self._send_body(message) if self.is_body_unread else self._send(message))

    async def send(self, message: Message) -> None:
        """Send a message of the response: ASGI's `send`."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), (b"x-request-id", self.request_id)]
            if self._must_close(self._client):
                headers.append(CLOSE)
            message["headers"] = headers
            await self._send(message)
        else:
            await self._send_body(message)

    async def _send_body(self, message: Message) -> None:
        if self.is_body_unread and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._discard_body()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _discard_body(self) -> None:
        """Read the rest of the body, within bounds, before the server closes the connection.

        Closing a socket with unread data resets the connection, and a client that is still sending
        would not see the response (RFC 9112, section 9.6).
        """
        left = LINGER_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while left > 0:
                    message = await self.receive()
                    if not message.get("more_body", False):
                        break
                    left -= len(message["body"])
