"""Predictors for tests: in a thread of the test's process, or as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, TypeVar

import httpx
import uvloop

from pipeline.commands.local_servers import find_free_port
from pipeline.model.bundle import Bundle, write_fallback
from pipeline.polling import poll_until
from pipeline.settings.connections import LakeSettings
from pipeline.storage.lake import Lake, open_lake
from serving.__main__ import Server, make_config
from serving.app import build
from serving.drain import Activity
from serving.settings import Settings

Value = TypeVar("Value")

ROOT = Path(__file__).parents[2]
INFER = "/v2/models/student-performance/infer"
"""Route that predicts tensors."""
START_TIMEOUT_SECONDS = 150
NO_ENVIRONMENT: Mapping[str, str] = MappingProxyType({})


def wait_for(probe: Callable[[], Value | None], timeout_seconds: float = 60) -> Value:
    """Return what `probe` returns as soon as it is true; fail after the timeout."""
    value = poll_until(
        lambda: probe() or None, timeout_seconds=timeout_seconds, interval_seconds=0.02
    )
    if value is None:
        raise AssertionError(f"{probe} was not true within {timeout_seconds:g} s")
    return value


def open_disk_lake(folder: Path) -> Lake:
    """Open the lake of a predictor that was started in this folder."""
    return open_lake(LakeSettings(url=f"file://{folder}/lake"))


def make_environment(
    folder: Path, port: int, environment: Mapping[str, str], settings: Mapping[str, str]
) -> dict[str, str]:
    """Variables of a predictor on the lake in `folder`, with an unreachable registry.

    Args:
        folder: Folder of the lake.
        port: Port that the predictor listens on.
        environment: Variables that replace the others.
        settings: Fields of the section `predictor`.
    """
    return {
        "MLOPS_LAKE__URL": f"file://{folder}/lake",
        "MLOPS_MLFLOW__TRACKING_URI": f"http://127.0.0.1:{find_free_port()}",
        "MLOPS_PREDICTOR__PORT": str(port),
        "MLOPS_PREDICTOR__DRAIN_PERIOD_SECONDS": "0",
        "MLOPS_PREDICTOR__SHUTDOWN_TIMEOUT_SECONDS": "1",
        **{f"MLOPS_PREDICTOR__{name.upper()}": value for name, value in settings.items()},
        **environment,
    }


class Predictor(Protocol):
    """A running predictor, ready or not."""

    port: int
    url: str

    def read_log(self) -> str:
        """Return what it has logged so far."""

    def terminate(self) -> None:
        """Send SIGTERM, or do what SIGTERM does."""

    def is_running(self) -> bool:
        """Whether it has not ended."""


@dataclass
class ThreadedPredictor:
    """A predictor in a thread of this process."""

    port: int
    url: str
    read_log: Callable[[], str]
    server: Server
    thread: threading.Thread
    loop: asyncio.AbstractEventLoop

    def terminate(self) -> None:
        self.loop.call_soon_threadsafe(self.server.handle_exit, signal.SIGTERM, None)

    def is_running(self) -> bool:
        return self.thread.is_alive()


@dataclass
class PredictorProcess:
    """A predictor with a process of its own."""

    port: int
    url: str
    read_log: Callable[[], str]
    process: subprocess.Popen[bytes]

    def terminate(self) -> None:
        self.process.terminate()

    def is_running(self) -> bool:
        return self.process.poll() is None


def wait_until_ready(predictor: Predictor) -> None:
    """Wait for /readyz; fail with the predictor's log if it ends or is not ready in time."""

    def probe() -> bool | None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{predictor.url}/readyz", timeout=30).status_code == httpx.codes.OK:
                return True
        return None if predictor.is_running() else False

    ready = poll_until(probe, timeout_seconds=START_TIMEOUT_SECONDS, interval_seconds=0.02)
    assert ready, f"{predictor.url} is not ready:\n{predictor.read_log()[-3000:]}"


def wait_until_serves(predictor: Predictor, version: str) -> None:
    """Wait until the predictor serves this version."""

    def serves() -> bool:
        facts = httpx.get(f"{predictor.url}/model", timeout=30)
        return facts.status_code == httpx.codes.OK and facts.json()["version"] == version

    wait_for(serves)


def get_metric(predictor: Predictor, name: str) -> float:
    """Return the sum of a metric's samples."""
    lines = httpx.get(f"{predictor.url}/metrics", timeout=30).text.splitlines()
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in lines
        if line.partition("{")[0].partition(" ")[0] == name
    )


@contextlib.contextmanager
def run_predictor(
    folder: Path, environment: Mapping[str, str] = NO_ENVIRONMENT, /, **settings: str
) -> Iterator[ThreadedPredictor]:
    """Run a predictor in a thread of this process, which starts in milliseconds.

    Args:
        folder: Folder of its lake.
        environment: Further variables, for example of the registry.
        settings: Fields of the section `predictor`.
    """
    port = find_free_port()
    loaded = Settings.load(make_environment(folder, port, environment, settings))
    app, service = build(loaded)
    activity = Activity()
    server = Server(make_config(app, loaded.predictor, activity), service, activity)
    loop = uvloop.new_event_loop()

    def serve() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(server.serve())

    thread = threading.Thread(target=serve, name="predictor")
    with _captured_log() as read_log:
        thread.start()
        try:
            wait_for(lambda: server.started or not thread.is_alive())
            url = f"http://127.0.0.1:{port}"
            yield ThreadedPredictor(port, url, read_log, server, thread, loop)
        finally:
            server.should_exit = True
            thread.join()


@contextlib.contextmanager
def _captured_log() -> Iterator[Callable[[], str]]:
    """Capture what the predictor and its server log."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    loggers = [logging.getLogger(name) for name in ("serving", "uvicorn")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield stream.getvalue
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


@contextlib.contextmanager
def serve_bundle(folder: Path, bundle: Bundle, **settings: str) -> Iterator[str]:
    """Run a predictor in a thread that serves `bundle` from the lake; yields its URL.

    Args:
        folder: Folder of its lake.
        bundle: The model; the registry is unreachable.
        settings: Fields of the section `predictor`.
    """
    write_fallback(open_disk_lake(folder), bundle)
    with run_predictor(folder, **settings) as predictor:
        wait_until_ready(predictor)
        yield predictor.url


@contextlib.contextmanager
def start_predictor(
    folder: Path,
    environment: Mapping[str, str] = NO_ENVIRONMENT,
    /,
    **settings: str,
) -> Iterator[PredictorProcess]:
    """Start a predictor as a process of its own.

    Args:
        folder: Folder of its lake and its log.
        environment: Further variables, for example of the registry.
        settings: Fields of the section `predictor`.
    """
    port = find_free_port()
    log = folder / "predictor.log"
    variables = make_environment(folder, port, environment, settings)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "serving"],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | variables,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        yield PredictorProcess(port, url, lambda: log.read_text(errors="replace"), process)
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()
