"""Request bodies, read whole: of the right type, within their limit, and within their time."""

from __future__ import annotations

import asyncio
import time

from starlette.types import Receive

from serving.http.problems import BadJson, SlowBody, TooLarge, WrongType

LOOK_SECONDS = 1.0
"""Pause between two looks for bodies that are late."""


class BodyReader:
    """Reads JSON bodies. One look a second finds those that are late: a timer for each would cost more than the model does."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._since: dict[asyncio.Task[object] | None, float] = {}
        self._late: set[asyncio.Task[object]] = set()

    async def watch(self) -> None:
        """Ends the reading of late bodies; runs for as long as the process serves."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            latest = time.monotonic() - self._seconds
            for task, since in self._since.items():
                if since < latest and task is not None:
                    self._late.add(task)
                    task.cancel()

    async def json(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """The body of a request that says it is JSON.

        Raises:
            WrongType: it says otherwise.
            TooLarge: it is larger than the limit, by its header or in fact.
            SlowBody: it did not arrive in time.
            BadJson: the client went away in the middle.
        """
        given = headers.get(b"content-type", b"")
        if given != b"application/json":
            kind = given.split(b";", 1)[0].strip().lower()
            if kind != b"application/json" and not (
                kind.startswith(b"application/") and kind.endswith(b"+json")
            ):
                raise WrongType(given.decode("latin-1"), "application/json")
        return await self.whole(headers, receive)

    async def whole(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """The body of a request of any type; raises as `json` does."""
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > self._limit:
            raise TooLarge(self._limit)
        task = asyncio.current_task()
        self._since[task] = time.monotonic()
        try:
            message = await receive()
            body: bytes = message.get("body", b"")
            if message.get("more_body") or len(body) > self._limit:
                body = await self._rest(body, receive)
            elif message["type"] != "http.request":
                raise BadJson(GONE)
        except asyncio.CancelledError:
            if task is None or task not in self._late:
                raise
            self._late.discard(task)
            task.uncancel()
            raise SlowBody(self._seconds) from None
        finally:
            del self._since[task]
        return body

    async def _rest(self, first: bytes, receive: Receive) -> bytes:
        body = bytearray(first)
        while len(body) <= self._limit:
            message = await receive()
            if message["type"] != "http.request":
                raise BadJson(GONE)
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if len(body) > self._limit:
            raise TooLarge(self._limit)
        return bytes(body)


GONE = "the client went away before its end"
