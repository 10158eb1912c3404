"""Local servers: MLflow and the predictor as child processes that listen on 127.0.0.1."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from pipeline.errors import PipelineError
from pipeline.http_client import open_client
from pipeline.polling import poll_until
from pipeline.settings import Settings

if TYPE_CHECKING:
    from serving.settings import PredictorSettings

HOST = "127.0.0.1"
START_TIMEOUT_SECONDS = 90  # MLflow needs up to 20 s on a slow machine
STOP_TIMEOUT_SECONDS = 20
PORTS = range(20_000, 32_000)
"""Ports to choose from. The system assigns higher ones to outgoing connections, which could take a
port before its server listens on it."""


@dataclass(frozen=True)
class Server:
    """A server that runs as a child process.

    Attributes:
        name: Name for messages.
        url: URL that it listens on.
        health_path: Path that returns 200 once the server is ready.
        log: File that holds its output.
        process: The child process.
    """

    name: str
    url: str
    health_path: str
    log: Path
    process: subprocess.Popen[bytes]

    def wait_until_ready(self) -> None:
        """Wait until the server is ready.

        Raises:
            PipelineError: If the process ended, or was not ready within START_TIMEOUT_SECONDS. The
                message holds the last lines of the log.
        """

        def is_ready() -> bool | None:
            if self.process.poll() is not None:
                raise PipelineError(
                    f"{self.name} exited with code {self.process.returncode}. "
                    f"The end of {self.log}:\n{self._tail()}"
                )
            with contextlib.suppress(httpx.TransportError):
                if client.get(self.url + self.health_path).status_code == httpx.codes.OK:
                    return True
            return None

        with open_client(timeout_seconds=2) as client:
            ready = poll_until(
                is_ready, timeout_seconds=START_TIMEOUT_SECONDS, interval_seconds=0.1
            )
        if not ready:
            raise PipelineError(
                f"{self.name} at {self.url} was not ready within {START_TIMEOUT_SECONDS} s. "
                f"The end of {self.log}:\n{self._tail()}"
            )

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


@contextlib.contextmanager
def start_server(
    name: str, command: list[str], port: int, health_path: str, environment: Mapping[str, str]
) -> Iterator[Server]:
    """Run a server for the duration of the `with` block.

    At the end of the block the process receives SIGTERM, and SIGKILL if it does not exit within
    STOP_TIMEOUT_SECONDS.

    Args:
        name: Name for messages; the output goes to `local/logs/<name>.log`.
        command: The command line.
        port: Port on 127.0.0.1 that the server listens on.
        health_path: Path that returns 200 once the server is ready.
        environment: All environment variables of the process.

    Yields:
        The server, which may not be ready yet.
    """
    log = Path("local", "logs", f"{name}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        # The new session keeps Ctrl-C from the server; the end of the block stops it.
        process = subprocess.Popen(  # noqa: S603 - our own commands
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
    try:
        yield Server(name, f"http://{HOST}:{port}", health_path, log, process)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def mlflow_server(settings: Settings, port: int) -> Iterator[Server]:
    """Run the MLflow server and UI on the SQLite file of the settings, with one worker."""
    command = [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--host", HOST, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", settings.mlflow.tracking_uri),
        *("--default-artifact-root", str(Path(settings.mlflow.artifacts).resolve())),
    ]
    environment = os.environ | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # saves two processes
    }
    with start_server("mlflow", command, port, "/health", environment) as server:
        yield server


@contextlib.contextmanager
def predictor(settings: Settings, port: int, mlflow_url: str) -> Iterator[Server]:
    """Run a predictor that follows the alias `production` on the MLflow server.

    Args:
        settings: The settings; the predictor uses their lake.
        port: Port on 127.0.0.1 that the predictor listens on.
        mlflow_url: URL of the MLflow server.

    Yields:
        The predictor, which may not be ready yet.
    """
    environment = os.environ | {
        "MLOPS_LAKE__URL": settings.lake.url,
        "MLOPS_MLFLOW__TRACKING_URI": mlflow_url,
        "MLOPS_PREDICTOR__HOST": HOST,
        "MLOPS_PREDICTOR__PORT": str(port),
    }
    command = [sys.executable, "-m", "serving"]
    with start_server("predictor", command, port, "/readyz", environment) as server:
        yield server


def load_predictor_settings() -> PredictorSettings:
    """Read the predictor's own settings, as the child process will.

    Raises:
        SettingsError: If a variable is unknown, malformed, or contradicts another.
    """
    from serving.settings import Settings as ServingSettings  # the stages' images do not have it

    return ServingSettings.load().predictor


def interrupt_on_sigterm() -> None:
    """Treat SIGTERM like Ctrl-C, so that this process stops its servers before it exits."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def find_free_port() -> int:
    """Find a port of 127.0.0.1 that nothing listens on.

    Raises:
        PipelineError: If 100 random ports were all in use.
    """
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise PipelineError(
        f"No free port was found on {HOST} between {PORTS.start} and {PORTS.stop - 1}."
    )


def check_port_is_free(port: int, setting: str) -> None:
    """Check that nothing listens on a port of 127.0.0.1.

    Raises:
        PipelineError: If the port is in use; the message names the setting that changes it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise PipelineError(
                f"Port {port} of {HOST} is in use. Stop the process that listens on it, or set "
                f"{setting} to another port."
            ) from None
