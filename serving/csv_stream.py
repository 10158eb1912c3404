"""Streams a CSV request and its response at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncGenerator, Awaitable
from functools import partial

from fastapi import Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from serving.csv_scoring import Table
from serving.http.exchange import Exchange
from serving.http.problems import Problem, SlowList, TooLarge
from serving.http.protocol import ABORT
from serving.model.served_model import Model
from serving.service import Service

log = logging.getLogger(__name__)

MAX_MEMORY = 1 << 20
"""Bytes of predictions kept in memory for a slow reader; more go to a temporary file."""
SCORED_BYTES = 1 << 14
"""Bytes of the list that are scored at a time; more would keep other requests waiting longer."""
PIECE = 1 << 16
"""Bytes of predictions that are sent at a time."""
REASONS: dict[type[BaseException], str] = {
    ClientDisconnect: "the client disconnected",
    TimeoutError: "the client does not read the response",
}


class Spool:
    """Bytes that are written at one end and read at the other, each at its own pace.

    Many clients read nothing until they have sent everything: a response that waits for its
    reader would then wait forever.

    Args:
        limit: Size in bytes from which it is full until everything was read.
    """

    def __init__(self, limit: int) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=MAX_MEMORY)  # noqa: SIM115 - see close
        self._limit = limit
        self._read = self._written = 0
        self.has_room = asyncio.Event()
        """Whether it is not full."""
        self.has_room.set()

    def write(self, data: bytes) -> None:
        self._file.seek(self._written)
        self._written += self._file.write(data)
        if self._written >= self._limit:
            self.has_room.clear()

    def read(self) -> bytes:
        """Return unread bytes, at most one piece."""
        if self._read == self._written:
            self._file.seek(0)
            self._file.truncate()
            self._read = self._written = 0
            self.has_room.set()
            return b""
        self._file.seek(self._read)
        data = self._file.read(PIECE)
        self._read += len(data)
        return data

    def close(self) -> None:
        self._file.close()


class Patience:
    """How long a client may keep the predictor waiting for the rest of its list.

    The time grows with each received byte up to a maximum, so that a client that is slower than
    the minimum rate runs out of it.

    Args:
        max_seconds: Longest pause.
        bytes_per_second: Minimum rate.
    """

    def __init__(self, max_seconds: float, bytes_per_second: float) -> None:
        self._max_seconds = max_seconds
        self._bytes_per_second = bytes_per_second
        self.seconds = max_seconds

    def update(self, received: int, waited_seconds: float) -> None:
        """Count received bytes and how long they took."""
        earned = received / self._bytes_per_second
        self.seconds = min(self.seconds - waited_seconds + earned, self._max_seconds)


class CsvStream:
    """One list: reads it, scores it and yields the predictions.

    It needs a slot of `Service.acquire_csv_slot`; `close` releases it.
    """

    def __init__(self, service: Service, model: Model, request: Request, log: bool) -> None:
        self._service = service
        self._log = log
        self._exchange: Exchange = request.state.exchange
        settings = service.settings
        self._bytes_left = settings.max_csv_bytes
        self._min_rate = settings.min_csv_bytes_per_second
        self._patience = Patience(settings.body_timeout_seconds, self._min_rate)
        self._table = Table(model)
        self._model = model
        self._pieces = request.stream().__aiter__()
        self._spool = Spool(settings.max_csv_spool_bytes)
        self._changed = asyncio.Event()
        self.ended = False
        """Whether no more of the list will arrive."""

    @property
    def waits_for_client(self) -> bool:
        """Whether nothing happens until the client reads the response."""
        return self.ended or not self._spool.has_room.is_set()

    async def read_header(self) -> None:
        """Read up to the header, so that an unreadable list gets an error instead of a stream."""
        while not self._table.has_header and await self._read_piece():
            pass

    async def predictions(self) -> AsyncGenerator[bytes]:
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

    def close(self) -> None:
        self._spool.close()
        self._service.csv_slots.release()

    async def _read_all(self) -> None:
        try:
            while not self.ended and await self._read_piece():
                await self._spool.has_room.wait()
        finally:
            self.ended = True
            self._changed.set()

    async def _read_piece(self) -> bool:
        """Score the next piece of the request; return False after the last."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self._patience.seconds):
                data = await anext(self._pieces)
        except TimeoutError:
            raise SlowList(self._service.settings.body_timeout_seconds, self._min_rate) from None
        except StopAsyncIteration:
            self.ended = True
            data = b""
        self._patience.update(len(data), loop.time() - started)
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise TooLarge(self._service.settings.max_csv_bytes)
        for start in range(0, max(len(data), 1), SCORED_BYTES):
            self._service.stop_watcher.check()  # a list can take longer than a stop
            work = partial(self._table.feed, data[start : start + SCORED_BYTES], self.ended)
            self._spool.write(await loop.run_in_executor(self._service.workers, work))
            self._service.record_predictions(
                self._model, self._table.rows, self._table.scored, self._exchange, self._log
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
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            async with contextlib.aclosing(self._stream.predictions()) as pieces:
                async for piece in pieces:
                    message = {"type": "http.response.body", "body": piece, "more_body": True}
                    await self._send_piece(send(message))
        except (Problem, ClientDisconnect, TimeoutError) as error:
            # Without a last message the server closes the connection.
            log.warning("aborted a list: %s", REASONS.get(type(error), str(error)))
            if isinstance(error, TimeoutError):  # unread data would keep the connection open
                scope["state"][ABORT]()
                await asyncio.sleep(0)  # until the server has noticed it
        else:
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._stream.close()

    async def _send_piece(self, sending: Awaitable[None]) -> None:
        """Wait for a client that reads slowly; give up if it reads nothing and cannot send."""
        task = asyncio.ensure_future(sending)
        try:
            while not (await asyncio.wait({task}, timeout=self._send_timeout_seconds))[0]:
                if self._stream.waits_for_client:
                    raise TimeoutError
            await task
        finally:
            task.cancel()
