"""Scores rows of concurrent requests in one run of the model.

A run takes about as long for one row as for a few, and under load the event loop handles many
requests per iteration. A row waits only for the other rows of the same iteration; when there are
none it is scored immediately.
"""

from __future__ import annotations

import asyncio

from serving.http.rows import Row
from serving.model.served_model import Model, ScoredRow

MAX_BATCH = 64
"""Largest number of rows in one run, which blocks the event loop."""


class Batcher:
    """Collects rows and scores them in batches. For the event loop's thread only."""

    def __init__(self) -> None:
        self._model: Model | None = None
        self._rows: list[Row] = []
        self._futures: list[asyncio.Future[ScoredRow]] = []

    async def score(self, model: Model, row: Row) -> ScoredRow:
        """Return the model's prediction for the row; raises the model's error."""
        if self._rows and (model is not self._model or len(self._rows) == MAX_BATCH):
            self._run()
        loop = asyncio.get_running_loop()
        if not self._rows:
            self._model = model
            loop.call_soon(self._run)
        future: asyncio.Future[ScoredRow] = loop.create_future()
        self._rows.append(row)
        self._futures.append(future)
        return await future

    def _run(self) -> None:
        model, rows, futures = self._model, self._rows, self._futures
        if model is None or not rows:  # a full batch, or another model's row, was scored earlier
            return
        self._rows, self._futures = [], []
        try:
            scored = model.score(rows)
        except Exception as error:
            for future in futures:
                if not future.done():
                    future.set_exception(error)
            return
        for row, future, result in zip(rows, futures, scored, strict=True):
            model.cache(row, result)
            if not future.done():
                future.set_result(result)
