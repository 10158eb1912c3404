"""What one predictor process is made of, and the way a prediction takes through it."""

from __future__ import annotations

import asyncio
import functools
import hmac
import itertools
import re
import secrets
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from pipeline.storage.lake import open_lake
from serving.http.problems import Failed, Invalid, Problem, Unauthorized, Unavailable
from serving.http.request_body import BodyReader
from serving.http.requests import Reader, Row
from serving.metrics import Counts
from serving.model.microbatch import Batcher
from serving.model.served_model import Model, Scored
from serving.model.shadow import ShadowScorer
from serving.model.updater import Follower, Models
from serving.settings import Settings
from serving.threads import stand_back
from serving.traffic_log import TrafficLog

AT_ONCE = 16
"""Up to this many rows are scored on the event loop, where a thread's switch would cost more than the model."""
FLUSH_SECONDS = 10
"""Bound on writing the last of the live traffic when the process stops."""

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
"""Request ids that are taken over from the client: plain enough for any header, log line and JSON text."""


class Service:
    """Parts of the process: limits, counts, the models, the live-traffic log, the shadow."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings.predictor
        self.counts = Counts()
        self.reader = Reader(self.settings.max_rows)
        self.bodies = BodyReader(self.settings.max_body_bytes, self.settings.body_timeout_seconds)
        self.shadow = ShadowScorer()
        lake = functools.cache(
            functools.partial(open_lake, settings.lake)
        )  # opened by whichever thread needs it first
        self.follower = Follower(settings, lake, self.shadow)
        self.traffic = TrafficLog(
            lake,
            socket.gethostname(),
            self.settings.log_sample_rate,
            self.settings.max_buffered_log_rows,
            self.settings.log_flush_interval_seconds,
        )
        self._batcher = Batcher()
        self.workers = ThreadPoolExecutor(2, "score", initializer=stand_back)
        self._explainer = ThreadPoolExecutor(1, "explain", initializer=stand_back)
        self._explaining = 0
        self.lists = 0
        """Class lists in work."""
        self.draining = False
        self.code_version = settings.code_version
        self._key = self.settings.api_key.get_secret_value().encode()
        self._ids = itertools.count()
        self._process = secrets.token_hex(6).encode()

    def start(self) -> None:
        self.follower.start()
        self.shadow.start()
        self.traffic.start()
        self._watch = asyncio.create_task(self.bodies.watch())

    async def stop(self) -> None:
        self._watch.cancel()
        self.follower.stop()
        self.shadow.stop()
        await asyncio.to_thread(self.traffic.stop, FLUSH_SECONDS)
        for pool in (self.workers, self._explainer):
            pool.shutdown(wait=False, cancel_futures=True)

    @property
    def models(self) -> Models:
        return self.follower.models

    @property
    def ready(self) -> bool:
        return self.models.served is not None

    def model(self) -> Model:
        """The model that answers; a request asks once.

        Raises:
            Unavailable: there is none.
        """
        model = self.models.served
        if model is None:
            raise Unavailable(self.models.reason)
        return model

    def admit(self) -> None:
        """Holds requests to their limit, the one at hand counted.

        Raises:
            Unavailable: there are too many.
        """
        if self.counts.in_flight > self.settings.max_requests:
            raise Unavailable(
                f"{self.settings.max_requests} requests are in work already; try again"
            )

    def request_id(self, given: bytes | None) -> bytes:
        """The client's id if it is plain, else a new one, unique to this process and request."""
        if given is not None and REQUEST_ID.fullmatch(given):
            return given
        return b"%b-%x" % (self._process, next(self._ids))

    def authorize(self, headers: dict[bytes, bytes]) -> None:
        """Holds a request to the API key, if there is one; takes as long for any wrong key.

        Raises:
            Unauthorized: the key is missing or wrong.
        """
        if not self._key:
            return
        scheme, _, bearer = headers.get(b"authorization", b"").partition(b" ")
        given = bearer.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")
        if not hmac.compare_digest(given, self._key):
            raise Unauthorized

    async def predict(
        self, model: Model, rows: list[Row], request_id: bytes, log: bool = True
    ) -> list[Scored]:
        """Predictions for valid rows, counted and, unless `log` is false, logged.

        Raises:
            Failed: the model could not score them.
        """
        try:
            if len(rows) == 1:
                scored = [model.remembered(rows[0]) or await self._batcher.score(model, rows[0])]
            elif len(rows) <= AT_ONCE:
                scored = model.score(rows)
            else:
                scored = await asyncio.get_running_loop().run_in_executor(
                    self.workers, model.score, rows
                )
        except Problem:
            raise
        except Exception as error:
            raise Failed(
                f"Model version {model.version} failed on these rows: {type(error).__name__}"
            ) from error
        self.seen(model, rows, scored, request_id, log)
        return scored

    async def explain(self, model: Model, rows: list[Row]) -> list[bytes]:
        """Explanations of rows as JSON, made one request at a time beside the predictions, which come first.

        Raises:
            Invalid: there are too many rows, or the model has no background.
            Unavailable: too many requests wait for explanations.
        """
        if len(rows) > self.settings.max_explained_rows:
            most = self.settings.max_explained_rows
            raise Invalid(
                (), f"{len(rows)} rows are too many to explain; at most {most} in one request"
            )
        if self._explaining >= self.settings.max_explanations:
            raise Unavailable(
                f"{self._explaining} requests for explanations are in work already; try again"
            )
        self._explaining += 1
        try:
            explain = model.explainer.explain
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._explainer, lambda: [explain(row) for row in rows]
            )
        finally:
            self._explaining -= 1

    def seen(
        self,
        model: Model,
        rows: list[Row],
        scored: list[Scored],
        request_id: bytes,
        log: bool = True,
    ) -> None:
        """Counts rows that were answered, and hands them to the log and the shadow."""
        self.counts.rows += len(scored)
        if log:
            self.traffic.add(request_id, scored)
        if self.shadow.comparison is not None:
            self.shadow.add(model, rows, scored)


def answer_body(model: Model, scored: list[Scored], explanations: Sequence[bytes] = ()) -> bytes:
    """The answer's JSON."""
    answers = [item.answer for item in scored]
    if explanations:
        answers = [
            b'%b,"explanation":%b}' % (answer[:-1], why)
            for answer, why in zip(answers, explanations, strict=True)
        ]
    return b'{"predictions":[' + b",".join(answers) + model.tail
