"""The parts of a predictor process, and the steps that all prediction routes share."""

from __future__ import annotations

import asyncio
import functools
import itertools
import re
import secrets
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from pipeline.storage.lake import open_lake
from serving.access.key_metrics import KeyCollector, RoleCollector
from serving.access.keyring import Caller, KeyRing, get_key
from serving.access.sessions import Sessions, get_cookie, refuse_other_sites, require_same_origin
from serving.http.exchange import Exchange
from serving.http.problems import Failed, Invalid, Problem, Unavailable
from serving.http.request_body import BodyReader
from serving.http.requests import Reader
from serving.http.rows import Row
from serving.metrics import PredictorCollector, RequestMetrics
from serving.model.explained import Explained, explain
from serving.model.microbatch import Batcher
from serving.model.served_model import Model, ScoredRow
from serving.model.shadow import ShadowScorer
from serving.model.updater import Models, ModelUpdater
from serving.permissions import HEALTH, Access
from serving.report_reader import ReportReader
from serving.settings import Settings
from serving.stop_watcher import StopWatcher
from serving.threads import lower_thread_priority
from serving.traffic_log import TrafficLog

if TYPE_CHECKING:
    from serving.access.tokens import Tokens

MAX_ROWS_ON_LOOP = 16
"""Up to this many rows are scored on the event loop, because a thread switch costs more."""
FLUSH_TIMEOUT_SECONDS = 10
"""Timeout of the last write of live traffic when the process stops."""

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
"""Request ids accepted from clients: safe in headers, log lines and JSON."""


class Service:
    """One predictor process: limits, metrics, models, traffic log and shadow."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings.predictor
        self.code_version = settings.code_version
        self.live_retention_days = settings.drift.live_retention_days
        self.draining = False
        """Whether every response closes its connection."""
        self.accepts_traffic = True
        """False shortly before the process stops: readiness then fails."""
        self.csv_slots = asyncio.Semaphore(self.settings.max_csv_requests)
        """One for each running request to /predict/csv."""
        self.reader = Reader(self.settings.max_rows)
        self.bodies = BodyReader(self.settings.max_body_bytes, self.settings.body_timeout_seconds)
        self.shadow = ShadowScorer()
        # Opened once, by whichever thread needs it first.
        lake = functools.cache(functools.partial(open_lake, settings.lake))
        self.updater = ModelUpdater(settings, lake, self.shadow)
        self.traffic = TrafficLog(
            lake,
            socket.gethostname(),
            self.settings.log_sample_rate,
            self.settings.max_buffered_log_rows,
            self.settings.log_flush_interval_seconds,
        )
        self.reports = ReportReader(lake)
        self.stop_watcher = StopWatcher(lake, self.settings.stop_poll_interval_seconds)
        self.keys = KeyRing(
            Path(self.settings.api_keys_file) if self.settings.api_keys_file else None,
            self.settings.api_key.get_secret_value().encode(),
        )
        self.sessions = Sessions(
            self.keys,
            self.settings.session_secret.get_secret_value().encode(),
            self.settings.session_hours,
            lake,
        )
        self.tokens = self._make_tokens()
        """Checks the tokens of single sign-on; None without it."""
        self.is_login_required = self.keys.is_required or self.tokens is not None
        self._token_origins = {origin.encode() for origin in self.settings.cors_origins}
        self.metrics = RequestMetrics()
        self.registry = CollectorRegistry()
        """Everything that /metrics exposes."""
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(
            PredictorCollector(
                self.metrics, self.models, self.shadow, self.traffic, lambda: self.ready
            )
        )
        self.registry.register(KeyCollector(self.keys))
        if self.tokens is not None:
            self.registry.register(RoleCollector(self.tokens))
        self.registry.register(self.stop_watcher)
        self.workers = ThreadPoolExecutor(2, "score", initializer=lower_thread_priority)
        self._batcher = Batcher()
        self._explainer = ThreadPoolExecutor(1, "explain", initializer=lower_thread_priority)
        self._explaining = 0
        self._request_numbers = itertools.count()
        self._process_id = secrets.token_hex(6).encode()

    def _make_tokens(self) -> Tokens | None:
        if not self.settings.oidc.issuer:
            return None
        from serving.access.tokens import Tokens  # imports cryptography, which needs memory

        return Tokens(self.settings.oidc)

    def start(self) -> None:
        """Start the threads and tasks; call it on the event loop."""
        self.stop_watcher.start()
        self.updater.start()
        self.shadow.start()
        self.traffic.start()
        self._watches = [
            asyncio.create_task(self.bodies.watch()),
            asyncio.create_task(self.keys.watch()),
        ]
        if self.tokens is not None:
            self._watches.append(asyncio.create_task(self.tokens.watch()))

    async def stop(self) -> None:
        """Stop the threads and write the rest of the live traffic."""
        for watch in self._watches:
            watch.cancel()
        self.stop_watcher.stop()
        self.updater.stop()
        self.shadow.stop()
        self.reports.stop()
        await asyncio.to_thread(self.traffic.stop, FLUSH_TIMEOUT_SECONDS)
        for pool in (self.workers, self._explainer):
            pool.shutdown(wait=False, cancel_futures=True)

    @property
    def models(self) -> Models:
        return self.updater.models

    @property
    def ready(self) -> bool:
        return (
            self.models.served is not None and self.accepts_traffic and self.stop_watcher.is_known
        )

    def check_accepts_traffic(self) -> None:
        """Raises: Unavailable: If the process has just started, or is about to stop."""
        if not self.accepts_traffic:
            raise Unavailable("The process is about to stop")
        self.stop_watcher.check_known()

    def model(self) -> Model:
        """Return the served model; call it once per request.

        Raises:
            Unavailable: If there is none.
        """
        model = self.models.served
        if model is None:
            raise Unavailable(self.models.reason)
        return model

    def admit(self) -> None:
        """Apply the limit on concurrent requests, the current one included.

        Raises:
            Unavailable: If too many are running.
        """
        if self.metrics.in_flight > self.settings.max_requests:
            raise Unavailable(
                f"{self.settings.max_requests} requests are running already; try again"
            )

    async def acquire_csv_slot(self) -> None:
        """Wait for one of `csv_slots`; the caller releases it.

        Raises:
            Unavailable: If none is released in time.
        """
        try:
            async with asyncio.timeout(self.settings.csv_queue_timeout_seconds):
                await self.csv_slots.acquire()
        except TimeoutError:
            raise Unavailable(
                f"{self.settings.max_csv_requests} lists are being scored already; try again"
            ) from None

    def request_id(self, given: bytes | None) -> bytes:
        """Return the client's request id if it is safe to repeat, else a new unique one."""
        if given is not None and REQUEST_ID.fullmatch(given):
            return given
        return b"%b-%x" % (self._process_id, next(self._request_numbers))

    def describe(self, problem: Problem, path: str) -> bytes:
        """Return the body of a problem for the caller of a path.

        The health routes need no login, and reasons contain names and internal addresses.
        """
        if self.is_login_required and path in HEALTH:
            return problem.state_body()
        return problem.body()

    async def authorize(self, exchange: Exchange, access: Access) -> None:
        """Check that a request may use a route, and that answers are not stopped.

        Args:
            exchange: The request; its caller is set.
            access: What the route gives access to.

        Raises:
            Unauthorized: If the key or session is missing, wrong, expired or revoked.
            BadToken: If the token is not valid.
            Forbidden: If no role of the person allows it.
            CrossSite: If another site's page sent the request with the person's login.
            TooManyRequests: If the key has reached one of its limits.
            Unavailable: If the issuer's keys are not known.
            Stopped: If it requests predictions, and all answers are stopped.
        """
        if access is Access.OPEN:
            return
        if self.is_login_required:
            headers = exchange.headers
            caller = self._find_caller(headers, access) or await self._authenticate(headers, access)
            exchange.caller = caller
            if access is Access.PREDICT:
                caller.admit()
        if access is Access.PREDICT:
            self.stop_watcher.check()

    def _find_caller(self, headers: Mapping[bytes, bytes], access: Access) -> Caller | None:
        """Return the caller of a known token or a key; a coroutine would take measurable time."""
        if self.tokens is None:
            key = get_key(headers)
            return self.keys.authenticate(key) if key else None
        login = self.tokens.get_known(headers)
        if login is None:
            return None
        if access is Access.PREDICT:
            refuse_other_sites(headers, self._token_origins)
        return self.tokens.authorize(login, access)

    async def _authenticate(self, headers: Mapping[bytes, bytes], access: Access) -> Caller:
        if self.tokens is not None and self.tokens.is_sent(headers):
            if access is Access.PREDICT:
                refuse_other_sites(headers, self._token_origins)
            return self.tokens.authorize(await self.tokens.check(headers), access)
        key = get_key(headers)
        if key or not get_cookie(headers):
            return self.keys.authenticate(key)
        if access is Access.PREDICT:
            require_same_origin(headers)
        return await self.sessions.authenticate(headers)

    async def predict(
        self, model: Model, rows: list[Row], exchange: Exchange, log: bool = True
    ) -> list[ScoredRow]:
        """Score valid rows and record the predictions.

        Args:
            model: The model that scores them.
            rows: Valid rows.
            exchange: The request: its id is in the traffic log, its caller's rows are counted.
            log: Whether to add the rows to the traffic log.

        Raises:
            Failed: If the model fails on the rows.
        """
        try:
            if len(rows) == 1:
                scored = [model.cached(rows[0]) or await self._batcher.score(model, rows[0])]
            elif len(rows) <= MAX_ROWS_ON_LOOP:
                scored = model.score(rows)
            else:
                loop = asyncio.get_running_loop()
                scored = await loop.run_in_executor(self.workers, model.score, rows)
        except Problem:
            raise
        except Exception as error:
            raise Failed(
                f"Model version {model.version} failed on these rows: {type(error).__name__}"
            ) from error
        self.record_predictions(model, rows, scored, exchange, log)
        return scored

    async def explain(self, model: Model, rows: list[Row]) -> list[Explained]:
        """Explain rows in a background thread, one request at a time.

        Raises:
            Invalid: If there are too many rows, or the model has no explanations.
            Unavailable: If too many requests for explanations are queued.
        """
        if len(rows) > self.settings.max_explained_rows:
            raise Invalid(
                (),
                f"{len(rows)} rows are too many to explain; "
                f"at most {self.settings.max_explained_rows} in one request",
            )
        if self._explaining >= self.settings.max_explanations:
            raise Unavailable(
                f"{self._explaining} requests for explanations are running already; try again"
            )
        self._explaining += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._explainer, explain, model, rows)
        finally:
            self._explaining -= 1

    def record_predictions(
        self,
        model: Model,
        rows: Sequence[Row],
        scored: Sequence[ScoredRow],
        exchange: Exchange,
        log: bool = True,
    ) -> None:
        """Count predicted rows, and hand them to the traffic log and the shadow."""
        self.metrics.rows += len(scored)
        if exchange.caller is not None:
            exchange.caller.rows += len(scored)
        for row in scored:
            for warning in row.warnings:
                self.metrics.warnings[warning.field] += 1
        if log:
            self.traffic.add(exchange.request_id, scored)
        if self.shadow.comparison is not None:
            self.shadow.add(model, rows, scored)
