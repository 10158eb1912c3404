"""A predictor that stops, or closes a connection, fails no request."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path

import httpx

from pipeline.model.bundle import write_fallback
from serving.http.requests import EXAMPLE
from tests.serving.forest import bundle
from tests.serving.predictor import NO_ENVIRONMENT, ROOT, started, wait_for, wait_until_ready
from tests.serving.test_traffic import disk_lake


def test_drain(tmp_path: Path) -> None:
    """After SIGTERM every answer closes its connection; once none is asked for, the process ends.

    It stays ready: Kubernetes sends requests to a terminating pod only if no other pod is ready.
    """
    write_fallback(disk_lake(tmp_path), bundle())
    with started(tmp_path, NO_ENVIRONMENT, ROOT, drain_period_seconds="1") as predictor:
        wait_until_ready(f"{predictor.url}/readyz", predictor.process, predictor.log)
        with httpx.Client(base_url=predictor.url) as client:
            assert "connection" not in client.post("/predict", json=EXAMPLE).headers
            predictor.process.terminate()
            wait_for(lambda: client.get("/healthz").headers.get("connection") == "close")
            assert client.get("/readyz").status_code == 200
            assert client.get("/v2/health/ready").status_code == 200
            answer = client.post("/predict", json=EXAMPLE)
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert predictor.process.wait(30) == 0


def test_the_drain_lasts_as_long_as_requests_arrive(tmp_path: Path) -> None:
    """No request is refused while the drain period has not passed without one."""
    write_fallback(disk_lake(tmp_path), bundle())
    with started(tmp_path, NO_ENVIRONMENT, ROOT, drain_period_seconds="1") as predictor:
        wait_until_ready(f"{predictor.url}/readyz", predictor.process, predictor.log)
        predictor.process.terminate()
        end = time.monotonic() + 4
        while time.monotonic() < end:
            answer = httpx.post(f"{predictor.url}/predict", json=EXAMPLE)
            assert answer.status_code == 200
            time.sleep(0.1)
        assert predictor.process.wait(30) == 0


def test_the_drain_is_bounded(tmp_path: Path) -> None:
    """After drain_timeout_seconds the process stops although requests still arrive."""
    write_fallback(disk_lake(tmp_path), bundle())
    with started(
        tmp_path, NO_ENVIRONMENT, ROOT, drain_period_seconds="60", drain_timeout_seconds="1"
    ) as predictor:
        wait_until_ready(f"{predictor.url}/readyz", predictor.process, predictor.log)
        predictor.process.terminate()
        assert predictor.process.wait(30) == 0
        assert "requests still arrive 1 s after SIGTERM" in predictor.text()


def test_a_connection_made_during_the_drain_is_answered(tmp_path: Path) -> None:
    """A connection whose first request comes late is not closed without an answer."""
    write_fallback(disk_lake(tmp_path), bundle())
    with started(tmp_path, NO_ENVIRONMENT, ROOT, drain_period_seconds="0.5") as predictor:
        wait_until_ready(f"{predictor.url}/readyz", predictor.process, predictor.log)
        with socket.create_connection(("127.0.0.1", predictor.port)) as connection:
            predictor.process.terminate()
            time.sleep(2)  # the drain would end meanwhile
            connection.sendall(b"GET /model HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        assert predictor.process.wait(30) == 0


def test_probes_do_not_prolong_the_drain(tmp_path: Path) -> None:
    """kubelet asks for readiness until the process ends."""
    write_fallback(disk_lake(tmp_path), bundle())
    with started(tmp_path, NO_ENVIRONMENT, ROOT, drain_period_seconds="1") as predictor:
        wait_until_ready(f"{predictor.url}/readyz", predictor.process, predictor.log)
        predictor.process.terminate()

        def has_stopped() -> bool:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{predictor.url}/readyz")
            return predictor.process.poll() is not None

        wait_for(has_stopped)
        assert predictor.process.returncode == 0
        assert "requests still arrive" not in predictor.text()


def test_requests_in_work_are_finished(tmp_path: Path) -> None:
    """A request whose body is still coming when the drain ends is answered before the process ends."""
    write_fallback(disk_lake(tmp_path), bundle())
    with started(tmp_path, NO_ENVIRONMENT, ROOT, drain_period_seconds="0") as predictor:
        wait_until_ready(f"{predictor.url}/readyz", predictor.process, predictor.log)
        with socket.create_connection(("127.0.0.1", predictor.port)) as connection:
            head = "POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{"
            connection.sendall(head.encode())
            wait_for(
                lambda: "predictor_in_flight 2.0" in httpx.get(f"{predictor.url}/metrics").text
            )
            predictor.process.terminate()
            wait_for(lambda: "Shutting down" in predictor.text())
            connection.sendall(b"}")
            assert connection.recv(1000).startswith(b"HTTP/1.1 422")
        assert predictor.process.wait(30) == 0


def test_no_request_fails_while_another_process_takes_over(tmp_path: Path) -> None:
    """Clients that keep connections alive, and open new ones at the second process once told to close, see no failure."""
    write_fallback(disk_lake(tmp_path), bundle())
    (tmp_path / "other").mkdir()
    write_fallback(disk_lake(tmp_path / "other"), bundle())
    failures: list[str] = []
    done = threading.Event()
    with (
        started(tmp_path, NO_ENVIRONMENT, ROOT, drain_period_seconds="2") as old,
        started(tmp_path / "other") as new,
    ):
        for predictor in (old, new):
            wait_until_ready(f"{predictor.url}/readyz", predictor.process, predictor.log)
        current = [old.url]

        def ask() -> None:
            with httpx.Client() as client:
                while not done.is_set():
                    try:
                        answer = client.post(f"{current[0]}/predict", json=EXAMPLE)
                    except httpx.HTTPError as error:
                        failures.append(repr(error))
                    else:
                        failures.extend([] if answer.status_code == 200 else [answer.text])

        askers = [threading.Thread(target=ask) for _ in range(4)]
        for asker in askers:
            asker.start()
        old.process.terminate()
        wait_for(lambda: "draining" in old.text())
        current[0] = new.url  # as the Service does for a pod that terminates
        old.process.wait(30)
        done.set()
        for asker in askers:
            asker.join()
    assert failures == []


def test_old_connections_are_closed(tmp_path: Path) -> None:
    """A connection older than max_connection_age_seconds is closed with an answer, by its header, and not before."""
    write_fallback(disk_lake(tmp_path), bundle())
    with started(tmp_path, NO_ENVIRONMENT, ROOT, max_connection_age_seconds="2") as predictor:
        wait_until_ready(f"{predictor.url}/readyz", predictor.process, predictor.log)
        for path, ask in (("/predict", "post"), ("/model", "get")):
            with httpx.Client(base_url=predictor.url) as client:
                begun = time.monotonic()
                body = EXAMPLE if ask == "post" else None

                def closes(
                    path: str = path,
                    ask: str = ask,
                    body: object = body,
                    client: httpx.Client = client,
                ) -> bool:
                    return bool(
                        client.request(ask, path, json=body).headers.get("connection") == "close"
                    )

                wait_for(closes)
                assert time.monotonic() - begun > 1.5
