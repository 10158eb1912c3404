"""`python -m serving`: runs the predictor.

SIGTERM drains it before it stops; Ctrl-C stops it at once.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import signal
import socket
import ssl
import sys
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp

from pipeline.errors import PipelineError, SettingsError
from pipeline.secret_files import load_secret_files
from serving.drain import Activity, wait_until_idle
from serving.http.protocol import Connection
from serving.refusals import RefusalLog
from serving.settings import PredictorSettings, Settings

if TYPE_CHECKING:
    from serving.service import Service

log = logging.getLogger("serving")

SWITCH_INTERVAL_SECONDS = 0.0005
"""How long a background thread may hold the interpreter lock while the event loop waits; a tenth
of Python's default."""
GC_THRESHOLD = 20_000
"""Allocations between two collections. Requests create few cycles, and a collection
pauses the process."""
KEEP_ALIVE_SECONDS = 75
"""Longer than the 60 s of common load balancers, so that they close idle connections first."""


class Server(uvicorn.Server):
    """uvicorn's server, with draining before it stops.

    While it drains, it answers as before, and every response closes its connection. At first
    readiness does not fail: Kubernetes sends no requests to a terminating pod if another one is
    ready, but sends them to a ready terminating pod if no other is (KEP-1669). A pod without a
    replacement thus serves until the replacement takes over. Once no requests arrive, readiness
    fails, so that Kubernetes does not fall back to this pod after its end.
    """

    def __init__(self, config: uvicorn.Config, service: Service, activity: Activity) -> None:
        super().__init__(config)
        self._service = service
        self._activity = activity
        self._drain_task: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, also on the separate port of the metrics if there is one."""
        port = self._service.settings.metrics_port
        if port is not None:  # first, so that readiness includes it
            from serving.metrics_port import listen

            listener = await listen(
                self._service, self.config.host, port, self.server_state, self.config.ssl
            )
        await super().startup(sockets)
        if port is not None:
            self.servers.append(listener)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGTERM and not self._service.draining:
            self._service.draining = True
            asyncio.get_running_loop().call_soon_threadsafe(self._start_drain)
        else:
            self.should_exit = True

    def _start_drain(self) -> None:
        self._drain_task = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        settings = self._service.settings
        period, timeout = settings.drain_period_seconds, settings.drain_timeout_seconds
        deadline = asyncio.get_running_loop().time() + timeout
        log.info("draining until no request arrives for %g s", period)
        await wait_until_idle(self._activity, idle_seconds=period, deadline=deadline)
        self._service.accepts_traffic = False
        log.info("not ready; draining until no request arrives for %g s again", period)
        if not await wait_until_idle(self._activity, idle_seconds=period, deadline=deadline):
            log.warning("requests still arrive %g s after SIGTERM: stopping", timeout)
        self.should_exit = True


def make_config(app: ASGIApp, settings: PredictorSettings, activity: Activity) -> uvicorn.Config:
    """Return uvicorn's configuration."""
    protocol = functools.partial(
        Connection,
        header_timeout_seconds=settings.header_timeout_seconds,
        activity=activity,
        refusals=RefusalLog(),
    )
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=protocol,  # type: ignore[arg-type] # called like a class
        loop="uvloop",
        ws="none",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the age of a connection counts, so its peer is the client
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_timeout_seconds,
        log_config=None,
        ssl_certfile=settings.tls_certificate_file or None,
        ssl_keyfile=settings.tls_key_file or None,
    )


def check_certificate(settings: PredictorSettings) -> None:
    """Check that the server's certificate and key can be loaded, if there are any.

    Raises:
        SettingsError: If they cannot.
    """
    certificate, key = settings.tls_certificate_file, settings.tls_key_file
    if not certificate and not key:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:
        raise SettingsError(
            f"the certificate {certificate!r} and the key {key!r} cannot be used: {error}. Set "
            "MLOPS_PREDICTOR__TLS_CERTIFICATE_FILE and MLOPS_PREDICTOR__TLS_KEY_FILE to a "
            "certificate and its key in PEM format, or unset both for HTTP"
        ) from error


def main() -> int:
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    try:
        load_secret_files()
        settings = Settings.load()
        check_certificate(settings.predictor)
        from serving.app import build  # reads the columns file, which may have errors

        app, service = build(settings)
    except PipelineError as error:
        log.error("%s", error)  # noqa: TRY400 - a message for people, without a traceback
        return 1
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    gc.set_threshold(GC_THRESHOLD, 50, 100)
    activity = Activity()
    Server(make_config(app, settings.predictor, activity), service, activity).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
