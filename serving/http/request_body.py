"""Reads request bodies, with limits on content type, size and time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from starlette.types import Receive

from serving.http.problems import BadJson, SlowBody, TooLarge, WrongEncoding, WrongType

WATCH_INTERVAL_SECONDS = 1.0
"""Pause between two searches for late bodies."""
DISCONNECTED = "the client disconnected before its end"


class BodyReader:
    """Reads whole bodies.

    One task cancels late readers once per second, because a timer per request would cost more
    than a prediction.
    """

    def __init__(self, limit: int, timeout_seconds: float) -> None:
        self._limit = limit
        self._timeout_seconds = timeout_seconds
        self._started: dict[asyncio.Task[object] | None, float] = {}
        self._late: set[asyncio.Task[object]] = set()

    async def watch(self) -> None:
        """Cancel the reading of late bodies until this task is cancelled."""
        while True:
            await asyncio.sleep(WATCH_INTERVAL_SECONDS)
            oldest = time.monotonic() - self._timeout_seconds
            for task, started in self._started.items():
                if started < oldest and task is not None:
                    self._late.add(task)
                    task.cancel()

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """Read a whole body.

        Raises:
            TooLarge: If the body, or its announced length, exceeds the limit.
            SlowBody: If the body does not arrive in time.
            BadJson: If the client disconnects before the end.
            WrongEncoding: If it is compressed.
        """
        if b"content-encoding" in headers:
            require_identity(headers)
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > self._limit:
            raise TooLarge(self._limit)
        task = asyncio.current_task()
        self._started[task] = time.monotonic()
        try:
            message = await receive()
            body: bytes = message.get("body", b"")
            if message.get("more_body") or len(body) > self._limit:
                body = await self._read_rest(body, receive)
            elif message["type"] != "http.request":
                raise BadJson(DISCONNECTED)
        except asyncio.CancelledError:
            if task is None or task not in self._late:
                raise
            self._late.discard(task)
            task.uncancel()
            raise SlowBody(self._timeout_seconds) from None
        finally:
            del self._started[task]
        return body

    async def _read_rest(self, first: bytes, receive: Receive) -> bytes:
        body = bytearray(first)
        while len(body) <= self._limit:
            message = await receive()
            if message["type"] != "http.request":
                raise BadJson(DISCONNECTED)
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if len(body) > self._limit:
            raise TooLarge(self._limit)
        return bytes(body)


def require_identity(headers: Mapping[bytes, bytes]) -> None:
    """Raise WrongEncoding if a request's body is compressed."""
    encoding = headers.get(b"content-encoding", b"").strip().lower()
    if encoding not in {b"", b"identity"}:
        raise WrongEncoding(encoding.decode("latin-1"))


def require_json(headers: Mapping[bytes, bytes]) -> None:
    """Raise WrongType if a request's content type is not JSON."""
    given = headers.get(b"content-type", b"")
    if given == b"application/json":
        return
    kind = given.split(b";", 1)[0].strip().lower()
    is_json = kind == b"application/json" or (
        kind.startswith(b"application/") and kind.endswith(b"+json")
    )
    if not is_json:
        raise WrongType(given.decode("latin-1"), "application/json")
