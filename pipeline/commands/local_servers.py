"""The servers that one machine needs: MLflow and the predictor, as child processes on 127.0.0.1."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError
from pipeline.settings import Settings

if TYPE_CHECKING:
    from serving.settings import PredictorSettings

HOST = "127.0.0.1"
START_SECONDS = 90  # bound on a server's start; a slow machine takes 20 for MLflow


@dataclass(frozen=True)
class Server:
    """A child process, where it answers, and where its output goes."""

    name: str
    url: str
    health: str
    log: Path
    process: subprocess.Popen[bytes]

    def wait_until_ready(self) -> None:
        """Returns when `health` answers 200.

        Raises:
            PipelineError: the process ended, or did not answer in time; with its last lines.
        """
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise PipelineError(
                    f"{self.name} ended with code {self.process.returncode}; {self.log} ends:\n{self._tail()}"
                )
            with contextlib.suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(self.url + self.health, timeout=2).close()  # noqa: S310 - our own http:// URL
                return
            time.sleep(0.1)
        raise PipelineError(
            f"{self.name} did not answer at {self.url} in {START_SECONDS} s; {self.log} ends:\n{self._tail()}"
        )

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


@contextlib.contextmanager
def start_server(
    name: str, command: list[str], port: int, health: str, environment: Mapping[str, str]
) -> Iterator[Server]:
    """A server process, ended with the block: politely, and after 20 s by force."""
    log = Path("local", "logs", f"{name}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        # a session of its own, so that Ctrl-C reaches the children only through this block's end
        process = subprocess.Popen(  # noqa: S603 - our own commands
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
    try:
        yield Server(name, f"http://{HOST}:{port}", health, log, process)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def mlflow_server(settings: Settings, port: int) -> Iterator[Server]:
    """The MLflow server and UI on the SQLite file of the settings, one worker."""
    command = [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--host", HOST, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", settings.mlflow.tracking_uri),
        *("--default-artifact-root", str(Path(settings.mlflow.artifacts).resolve())),
    ]
    environment = os.environ | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # two processes less
    }
    with start_server("mlflow", command, port, "/health", environment) as server:
        yield server


@contextlib.contextmanager
def predictor(settings: Settings, port: int, mlflow_url: str) -> Iterator[Server]:
    """The predictor, following the alias `production` on the MLflow server."""
    environment = os.environ | {
        "MLOPS_LAKE__URL": settings.lake.url,
        "MLOPS_MLFLOW__TRACKING_URI": mlflow_url,
        "MLOPS_PREDICTOR__HOST": HOST,
        "MLOPS_PREDICTOR__PORT": str(port),
    }
    with start_server(
        "predictor", [sys.executable, "-m", "serving"], port, "/readyz", environment
    ) as server:
        yield server


def load_predictor_settings() -> PredictorSettings:
    """Read the predictor's own settings, as the child process will.

    Raises:
        SettingsError: If a variable is unknown, malformed, or contradicts another.
    """
    from serving.settings import Settings as ServingSettings  # the stages' images do not have it

    return ServingSettings.load().predictor


def end_on_sigterm() -> None:
    """Makes SIGTERM end this process as Ctrl-C does, so that it ends its servers too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def free_port() -> int:
    """A port that nothing listens on, below those that outgoing connections get: none takes it while a server starts."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise PipelineError(f"no free port was found on {HOST} between 20000 and 32000")


def check_port(port: int, setting: str) -> None:
    """Raises a PipelineError that names the setting when something listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise PipelineError(
                f"port {port} of {HOST} is in use; end what listens there, or set {setting} to another port"
            ) from None
