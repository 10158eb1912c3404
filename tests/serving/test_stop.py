"""A predictor that stops, or closes a connection, fails no request."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path

import httpx
import pytest

from pipeline.model.bundle import write_fallback
from serving.http.rows import EXAMPLE
from tests.support.forest import make_bundle
from tests.support.predictor import (
    Predictor,
    get_metric,
    open_disk_lake,
    run_predictor,
    start_predictor,
    wait_for,
    wait_until_ready,
)


@pytest.fixture(autouse=True)
def lake(tmp_path: Path) -> None:
    """A lake with a model, for each test's predictor."""
    write_fallback(open_disk_lake(tmp_path), make_bundle())


def wait_until_stopped(predictor: Predictor) -> None:
    wait_for(lambda: not predictor.is_running())


def test_drain(tmp_path: Path) -> None:
    """After SIGTERM every response closes its connection; the process ends when none is sent.

    Readiness fails only then: Kubernetes sends requests to a terminating pod that is ready if no
    other pod is.
    """
    with start_predictor(tmp_path, drain_period_seconds="1") as predictor:
        wait_until_ready(predictor)
        with httpx.Client(base_url=predictor.url) as client:
            assert "connection" not in client.post("/predict", json=EXAMPLE).headers
            predictor.terminate()
            wait_for(lambda: client.get("/healthz").headers.get("connection") == "close")
            assert client.get("/readyz").status_code == 200
            assert client.get("/v2/health/ready").status_code == 200
            answer = client.post("/predict", json=EXAMPLE)
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
            wait_for(lambda: client.get("/readyz").status_code == 503)
            assert client.get("/v2/health/ready").status_code == 503
            assert client.get("/healthz").status_code == 200
            assert client.post("/predict", json=EXAMPLE).status_code == 200
        assert predictor.process.wait(30) == 0


def test_the_drain_lasts_as_long_as_requests_arrive(tmp_path: Path) -> None:
    """No request is refused before the drain period passes without one."""
    with run_predictor(tmp_path, drain_period_seconds="0.5") as predictor:
        wait_until_ready(predictor)
        predictor.terminate()
        end = time.monotonic() + 2
        while time.monotonic() < end:
            answer = httpx.post(f"{predictor.url}/predict", json=EXAMPLE)
            assert answer.status_code == 200
            time.sleep(0.05)
        wait_until_stopped(predictor)


def test_the_drain_is_bounded(tmp_path: Path) -> None:
    """After drain_timeout_seconds the process stops although requests still arrive."""
    settings = {"drain_period_seconds": "60", "drain_timeout_seconds": "1"}
    with run_predictor(tmp_path, **settings) as predictor:
        wait_until_ready(predictor)
        predictor.terminate()
        wait_until_stopped(predictor)
        assert "requests still arrive 1 s after SIGTERM" in predictor.read_log()


def test_a_connection_made_during_the_drain_is_answered(tmp_path: Path) -> None:
    """A connection whose first request comes late is not closed without a response."""
    with run_predictor(tmp_path, drain_period_seconds="0.5") as predictor:
        wait_until_ready(predictor)
        with socket.create_connection(("127.0.0.1", predictor.port)) as connection:
            predictor.terminate()
            time.sleep(1.5)  # longer than a drain without this connection
            connection.sendall(b"GET /model HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        wait_until_stopped(predictor)


def test_probes_do_not_prolong_the_drain(tmp_path: Path) -> None:
    """kubelet requests the readiness until the process ends."""
    with run_predictor(tmp_path, drain_period_seconds="0.5") as predictor:
        wait_until_ready(predictor)
        predictor.terminate()

        def has_stopped() -> bool:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{predictor.url}/readyz")
            return not predictor.is_running()

        wait_for(has_stopped)
        assert "requests still arrive" not in predictor.read_log()


def test_running_requests_are_finished(tmp_path: Path) -> None:
    """A request whose body is still arriving when the drain ends gets its response."""
    with run_predictor(tmp_path, shutdown_timeout_seconds="60") as predictor:
        wait_until_ready(predictor)
        with socket.create_connection(("127.0.0.1", predictor.port)) as connection:
            connection.sendall(
                b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                b"Content-Length: 2\r\n\r\n{"
            )
            # The request for the metrics is running too.
            wait_for(lambda: get_metric(predictor, "predictor_in_flight") == 2)
            predictor.terminate()
            wait_for(lambda: "Shutting down" in predictor.read_log())
            connection.sendall(b"}")
            assert connection.recv(1000).startswith(b"HTTP/1.1 422")
        wait_until_stopped(predictor)


def test_no_request_fails_while_another_process_takes_over(tmp_path: Path) -> None:
    """Clients that reuse connections, and move when these are closed, see no failure."""
    (tmp_path / "other").mkdir()
    write_fallback(open_disk_lake(tmp_path / "other"), make_bundle())
    failures: list[str] = []
    done = threading.Event()
    with (
        run_predictor(tmp_path, drain_period_seconds="1") as old,
        run_predictor(tmp_path / "other") as new,
    ):
        for predictor in (old, new):
            wait_until_ready(predictor)
        current = [old.url]

        def predict() -> None:
            with httpx.Client(timeout=30) as client:
                while not done.is_set():
                    try:
                        answer = client.post(f"{current[0]}/predict", json=EXAMPLE)
                    except httpx.HTTPError as error:
                        failures.append(repr(error))
                    else:
                        failures.extend([] if answer.status_code == 200 else [answer.text])

        threads = [threading.Thread(target=predict) for _ in range(4)]
        for thread in threads:
            thread.start()
        old.terminate()
        wait_for(lambda: "draining" in old.read_log())
        current[0] = new.url  # as the Service does for a terminating pod
        wait_until_stopped(old)
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []


@pytest.mark.parametrize(
    ("method", "path", "body"), [("POST", "/predict", EXAMPLE), ("GET", "/model", None)]
)
def test_old_connections_are_closed(tmp_path: Path, method: str, path: str, body: object) -> None:
    """A connection is closed with a response after max_connection_age_seconds, not before."""
    with run_predictor(tmp_path, max_connection_age_seconds="1") as predictor:
        wait_until_ready(predictor)
        with httpx.Client(base_url=predictor.url) as client:
            started = time.monotonic()
            wait_for(
                lambda: client.request(method, path, json=body).headers.get("connection") == "close"
            )
            assert time.monotonic() - started > 0.7
