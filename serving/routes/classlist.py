"""`POST /predict/csv`: a class list in, the same list with predictions out, while it is still arriving."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from pipeline.columns import FEATURES, SUBJECTS
from serving.csv_scoring import Table
from serving.http.problems import Invalid, Problem, SlowBody, TooLarge, Unavailable, WrongType
from serving.model.served_model import Model
from serving.routes.predict import LOG, model_headers, problems
from serving.service import Service

log = logging.getLogger(__name__)

TYPES = (
    "text/csv",
    "application/csv",
    "text/plain",
    "text/tab-separated-values",
    "application/vnd.ms-excel",
)
"""Content types that browsers and spreadsheets give to CSV files; answered is text/csv."""
IN_MEMORY = 1 << 20
"""Bytes of predictions that wait in memory for a slow reader; more wait in a temporary file."""
PIECE = 1 << 16

EXAMPLE_LIST = "\n".join(
    (
        ",".join(("name", *(f.name for f in FEATURES))),
        ",".join(("Ada", *(str(f.example) for f in FEATURES))),
        "",
    )
)


GONE = {ClientDisconnect: "went away", TimeoutError: "does not read its answer"}


class Spool:
    """Bytes written at one end and read at the other, as fast as each end can.

    Many clients read nothing before they have sent all: an answer that waited for its reader would wait forever.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by `close`
        self._read = self._written = 0

    def write(self, data: bytes) -> None:
        self._file.seek(self._written)
        self._written += self._file.write(data)

    def read(self) -> bytes:
        """What is there and not yet read, up to a piece."""
        self._file.seek(self._read)
        data = self._file.read(PIECE)
        self._read += len(data)
        return data

    def close(self) -> None:
        self._file.close()


class Duplex(Response):
    """A response that is sent while the request is still read, by whoever makes its pieces.

    Starlette's own StreamingResponse reads the request beside them, to see whether the client is gone, and loses what it reads.
    """

    media_type = "text/csv"

    def __init__(self, classlist: ClassList, headers: dict[str, str], seconds: float) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._classlist = classlist
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        try:
            async for piece in self._classlist.answer():
                await self._patiently(
                    send({"type": "http.response.body", "body": piece, "more_body": True})
                )
        except (
            Problem,
            ClientDisconnect,
            TimeoutError,
        ) as stopped:  # the server then closes the connection: no end is sent
            log.warning("a list was broken off: %s", stopped or f"its client {GONE[type(stopped)]}")
        else:
            await send({"type": "http.response.body", "body": b""})

    async def _patiently(self, sending: Awaitable[None]) -> None:
        """Waits for a client that does not read while it sends, but not for one that has sent all and does not read."""
        task = asyncio.ensure_future(sending)
        try:
            while not (await asyncio.wait({task}, timeout=self._seconds))[0]:
                if self._classlist.ended:
                    raise TimeoutError
            await task
        finally:
            task.cancel()


class ClassList:
    """One request: reads, predicts and writes on."""

    def __init__(self, service: Service, model: Model, request: Request, log: bool) -> None:
        self._service = service
        self._log = log
        self._request_id: bytes = request.state.request_id
        self._left = service.settings.max_csv_bytes
        self._table = Table(model)
        self._model = model
        self._pieces = request.stream().__aiter__()
        self._spool = Spool()
        self._more = asyncio.Event()
        self.ended = False
        """Whether no more of the list will come."""

    async def begin(self) -> None:
        """Reads up to the header, so that a list that cannot be read is answered by a problem, not by half a list."""
        while not self._table.begun and await self._step():
            pass

    async def _step(self) -> bool:
        """Predicts the next piece; False after the last."""
        seconds = self._service.settings.body_timeout_seconds
        try:
            async with asyncio.timeout(seconds):  # a list that stands still would keep others out
                data = await anext(self._pieces)
        except TimeoutError:
            raise SlowBody(seconds) from None
        except StopAsyncIteration:
            self.ended = True
            data = b""
        self._left -= len(data)
        if self._left < 0:
            raise TooLarge(self._service.settings.max_csv_bytes)
        loop = asyncio.get_running_loop()
        for start in range(0, max(len(data), 1), PIECE):
            work = partial(self._table.feed, data[start : start + PIECE], self.ended)
            self._spool.write(await loop.run_in_executor(self._service.workers, work))
            self._service.seen(
                self._model, self._table.rows, self._table.scored, self._request_id, self._log
            )
        self._more.set()
        return not self.ended

    async def answer(self) -> AsyncIterator[bytes]:
        """The predictions, while the rest is read; what cannot be read in the middle breaks the answer off."""
        reading = asyncio.create_task(self._read())
        try:
            while True:
                self._more.clear()
                while data := self._spool.read():
                    yield data
                if self.ended and reading.done():
                    await reading
                    break
                await self._more.wait()
        finally:
            reading.cancel()
            self.close()

    async def _read(self) -> None:
        try:
            while not self.ended and await self._step():
                pass
        finally:
            self.ended = True
            self._more.set()

    def close(self) -> None:
        self._spool.close()
        self._service.lists -= 1


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["predict"])
    body = {
        "required": True,
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "examples": {"list": {"value": EXAMPLE_LIST}},
            }
        },
    }
    answered: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "The list, with predictions",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        }
    }

    @routes.post(
        "/predict/csv",
        summary=f"Predict a list of {SUBJECTS} in CSV, of any length",
        response_class=Response,
        responses=answered | problems(401, 408, 413, 415, 422, 503),
        openapi_extra={"requestBody": body},
    )
    async def predict_csv(request: Request, log: bool = LOG) -> Response:
        """The columns are found by the survey's header or by our names, in any order, other columns among them.

        Every row comes back as it was, in the same order, with `label`, `fail_probability` and `error` behind it; a row that
        cannot be read says why in `error`. Predictions are sent while the list is still arriving.
        """
        kind = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
        if kind not in TYPES:
            raise WrongType(kind, "text/csv")
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > service.settings.max_csv_bytes:
            raise TooLarge(service.settings.max_csv_bytes)
        model = service.model()
        if service.lists >= service.settings.max_csv_requests:
            raise Unavailable(f"{service.lists} lists are in work already; try again")
        service.lists += 1
        classlist = ClassList(service, model, request, log)
        try:
            await classlist.begin()
        except ClientDisconnect:
            classlist.close()
            raise Invalid((), "The client went away before the header's end") from None
        except BaseException:
            classlist.close()
            raise
        return Duplex(classlist, model_headers(model), service.settings.body_timeout_seconds)

    return routes
