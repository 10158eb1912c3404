"""Streams a CSV request and its response at the same time."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable
from functools import partial

from fastapi import Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from serving.csv_scoring import Table
from serving.http.problems import Problem, SlowBody, TooLarge
from serving.model.served_model import Model
from serving.service import Service

log = logging.getLogger(__name__)

MAX_MEMORY = 1 << 20
"""Bytes of predictions kept in memory for a slow reader; more go to a temporary file."""
PIECE = 1 << 16
"""Bytes of the list that are scored at a time, and of predictions that are sent at a time."""
REASONS: dict[type[BaseException], str] = {
    ClientDisconnect: "the client disconnected",
    TimeoutError: "the client does not read the response",
}


class Spool:
    """Bytes that are written at one end and read at the other, each at its own pace.

    Many clients read nothing until they have sent everything: a response that waits for its
    reader would then wait forever.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=MAX_MEMORY)  # noqa: SIM115 - see close
        self._read = self._written = 0

    def write(self, data: bytes) -> None:
        self._file.seek(self._written)
        self._written += self._file.write(data)

    def read(self) -> bytes:
        """Return unread bytes, at most one piece."""
        self._file.seek(self._read)
        data = self._file.read(PIECE)
        self._read += len(data)
        return data

    def close(self) -> None:
        self._file.close()


class CsvStream:
    """One list: reads it, scores it and yields the predictions."""

    def __init__(self, service: Service, model: Model, request: Request, log: bool) -> None:
        self._service = service
        self._log = log
        self._request_id: bytes = request.state.exchange.request_id
        self._bytes_left = service.settings.max_csv_bytes
        self._timeout_seconds = service.settings.body_timeout_seconds
        self._table = Table(model)
        self._model = model
        self._pieces = request.stream().__aiter__()
        self._spool = Spool()
        self._changed = asyncio.Event()
        self.ended = False
        """Whether no more of the list will arrive."""
        service.csv_requests += 1

    async def read_header(self) -> None:
        """Read up to the header, so that an unreadable list gets an error instead of a stream."""
        while not self._table.has_header and await self._read_piece():
            pass

    async def predictions(self) -> AsyncIterator[bytes]:
        """Yield predictions while the rest is read; raises Problem if reading fails midway."""
        reading = asyncio.create_task(self._read_all())
        try:
            while True:
                self._changed.clear()
                while data := self._spool.read():
                    yield data
                if self.ended and reading.done():
                    await reading
                    break
                await self._changed.wait()
        finally:
            reading.cancel()
            self.close()

    def close(self) -> None:
        self._spool.close()
        self._service.csv_requests -= 1

    async def _read_all(self) -> None:
        try:
            while not self.ended and await self._read_piece():
                pass
        finally:
            self.ended = True
            self._changed.set()

    async def _read_piece(self) -> bool:
        """Score the next piece of the request; return False after the last."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                data = await anext(self._pieces)
        except TimeoutError:
            raise SlowBody(self._timeout_seconds) from None
        except StopAsyncIteration:
            self.ended = True
            data = b""
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise TooLarge(self._service.settings.max_csv_bytes)
        loop = asyncio.get_running_loop()
        for start in range(0, max(len(data), 1), PIECE):
            work = partial(self._table.feed, data[start : start + PIECE], self.ended)
            self._spool.write(await loop.run_in_executor(self._service.workers, work))
            self._service.record_predictions(
                self._model, self._table.rows, self._table.scored, self._request_id, self._log
            )
        self._changed.set()
        return not self.ended


class CsvResponse(Response):
    """Sends predictions while the request is still being read.

    Starlette's StreamingResponse also reads the request, to notice a disconnect, and discards
    what it reads.
    """

    media_type = "text/csv"

    def __init__(
        self, stream: CsvStream, headers: dict[str, str], send_timeout_seconds: float
    ) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._stream = stream
        self._send_timeout_seconds = send_timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        try:
            async for piece in self._stream.predictions():
                message = {"type": "http.response.body", "body": piece, "more_body": True}
                await self._send_piece(send(message))
        except (Problem, ClientDisconnect, TimeoutError) as error:
            # Without a last message the server closes the connection.
            log.warning("aborted a list: %s", REASONS.get(type(error), str(error)))
        else:
            await send({"type": "http.response.body", "body": b""})

    async def _send_piece(self, sending: Awaitable[None]) -> None:
        """Wait for a client that reads slowly; give up if it has sent all and reads nothing."""
        task = asyncio.ensure_future(sending)
        try:
            while not (await asyncio.wait({task}, timeout=self._send_timeout_seconds))[0]:
                if self._stream.ended:
                    raise TimeoutError
            await task
        finally:
            task.cancel()
