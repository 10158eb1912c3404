"""Helpers of the cluster tests that need no cluster."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from k8s.airflow import DagRun
from tests.cluster.stage_pods import select_pods
from tests.cluster.traffic import steady_traffic
from tests.support.byte_search import CHUNK_BYTES, find_in_output
from tests.support.certificates import write_certificate

ANSWER = (
    b"HTTP/1.1 200 OK\r\nX-Model-Version: 7\r\nContent-Length: 28\r\n\r\n"
    b'{"model": {"version": "7"}} '
)


def make_pod(name: str, second: int, **labels: str) -> dict[str, Any]:
    created = f"2026-01-01T08:00:{second:02}Z"
    metadata = {"name": name, "creationTimestamp": created, "labels": labels}
    return {"metadata": metadata}


def make_run() -> DagRun:
    start = datetime(2026, 1, 1, 8, 0, 10, 500_000, tzinfo=UTC)
    end = datetime(2026, 1, 1, 8, 0, 40, tzinfo=UTC)
    return DagRun("training", "first", "success", "manual", start, start, end)


def test_the_pods_of_a_run_are_selected() -> None:
    """Those of its DAG and its time, the last one of each stage; pods without a DAG are skipped."""
    ingest = {"dag_id": "training", "student-mlops/stage": "ingest"}
    pods = [
        make_pod("earlier", 9, **ingest),
        make_pod("first-try", 10, **ingest),
        make_pod("last-try", 20, **ingest),
        make_pod("by-hand", 25),
        make_pod("other", 25, **ingest | {"dag_id": "drift"}),
        make_pod("later", 41, **ingest),
    ]
    selected = select_pods(pods, make_run())
    assert {stage: pod["metadata"]["name"] for stage, pod in selected.items()} == {
        "ingest": "last-try"
    }


def serve(listener: socket.socket, answers: list[bytes]) -> None:
    """Read a request on a new connection for each answer; close the connection after it."""
    for answer in answers:
        connection, _ = listener.accept()
        with connection:
            connection.recv(10_000)
            connection.sendall(answer)


def test_a_broken_answer_is_a_failed_request() -> None:
    """An answer that ends early counts as failed, and its connection is closed.

    pytest turns a connection that is left open into an error.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = threading.Thread(target=serve, args=(listener, [ANSWER[:60], ANSWER[:60]]))
        server.start()
        with steady_traffic(url, {}, rate=50, seconds=0.04) as result:
            server.join()
        assert sum(result.failed.values()) == result.sent == 2


def test_a_request_on_a_closed_connection_is_sent_again() -> None:
    """A server may close an idle connection while the next request is under way."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = threading.Thread(target=serve, args=(listener, [ANSWER, ANSWER]))
        server.start()
        with steady_traffic(url, {}, rate=2, seconds=1) as result:
            server.join()
        assert (result.answered, result.resent, result.failed) == (2, 1, {})
        assert result.versions == {"7": 2}


def test_traffic_with_a_key_over_tls(tmp_path: Path) -> None:
    """Each request has the key, and the connection is encrypted and trusted."""
    certificate, key = write_certificate(tmp_path, "localhost")
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_tls.load_cert_chain(certificate, key)
    requests: list[bytes] = []

    def serve_once(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with server_tls.wrap_socket(connection, server_side=True) as encrypted:
            requests.append(encrypted.recv(10_000))
            encrypted.sendall(ANSWER)

    with socket.create_server(("localhost", 0)) as listener:
        url = f"https://localhost:{listener.getsockname()[1]}"
        server = threading.Thread(target=serve_once, args=(listener,))
        server.start()
        tls = ssl.create_default_context(cafile=certificate)
        with steady_traffic(url, {}, "smk_one", tls, rate=1, seconds=1) as result:
            server.join()
    assert (result.answered, result.failed) == (1, {})
    assert b"\r\nAuthorization: Bearer smk_one\r\n" in requests[0]


def test_a_text_is_found_in_output() -> None:
    """Also if two reads of the output share it."""
    program = f"import sys; sys.stdout.write('x' * {CHUNK_BYTES - 3} + 'needle' + 'y')"
    needles = {b"needle": "needle", b"missing": "missing"}
    assert find_in_output([sys.executable, "-c", program], needles) == {"needle"}
    with pytest.raises(AssertionError, match="ended with 3"):
        find_in_output([sys.executable, "-c", "raise SystemExit(3)"], needles)
