"""Rows of requests that came at the same time, scored in one run of the model.

A run costs much the same for one row as for a few, and the event loop hands over many requests at once under load. A row waits
for those beside it in the same turn of the loop, and for nothing else: alone, it is scored at once.
"""

from __future__ import annotations

import asyncio

from serving.http.requests import Row
from serving.model.served_model import Model, Scored

MOST = 64
"""Rows in one run: about as long as the loop may be kept from others."""


class Batcher:
    """For the event loop's thread alone."""

    def __init__(self) -> None:
        self._model: Model | None = None
        self._rows: list[Row] = []
        self._waiting: list[asyncio.Future[Scored]] = []

    async def score(self, model: Model, row: Row) -> Scored:
        """The row's prediction by this model; raises what the model raises."""
        if self._rows and (model is not self._model or len(self._rows) == MOST):
            self._run()
        loop = asyncio.get_running_loop()
        if not self._rows:
            self._model = model
            loop.call_soon(self._run)
        future: asyncio.Future[Scored] = loop.create_future()
        self._rows.append(row)
        self._waiting.append(future)
        return await future

    def _run(self) -> None:
        model, rows, waiting = self._model, self._rows, self._waiting
        if (
            model is None or not rows
        ):  # scored already, because another model's row or one too many came
            return
        self._rows, self._waiting = [], []
        try:
            scored = model.score(rows)
        except Exception as error:
            for future in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        for row, future, result in zip(rows, waiting, scored, strict=True):
            model.remember(row, result)
            if not future.done():
                future.set_result(result)
