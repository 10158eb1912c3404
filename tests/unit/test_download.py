"""Downloads of the predictor: limits on their size and time, and errors."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from serving.http.download import Download, DownloadError, Limits, download
from tests.support.http_server import Request, Response, serve

BODY = b"x" * 1_000
LIMITS = Limits(max_bytes=len(BODY), wait_seconds=10, total_seconds=60)
TLS = ssl.create_default_context()


def handle(request: Request) -> Response:
    """Respond with BODY, or with the request's authorization and the status 404."""
    if request.path == "/body":
        return Response(200, BODY)
    return Response(404, request.headers.get("Authorization", "none"))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve(handle) as running:
        yield running


def test_the_size_of_a_response(url: str) -> None:
    """A response of the largest size is accepted, one more byte is not."""
    assert download(f"{url}/body", LIMITS, TLS) == Download(200, BODY)
    smaller = Limits(len(BODY) - 1, wait_seconds=10, total_seconds=60)
    with pytest.raises(DownloadError, match=f"{url}/body sent more than 999 bytes"):
        download(f"{url}/body", smaller, TLS)


def test_the_time_of_a_response(url: str) -> None:
    """A response that is not complete in time is refused, although each wait was short."""
    hasty = Limits(len(BODY), wait_seconds=10, total_seconds=0)
    with pytest.raises(DownloadError, match=f"{url}/body took more than 0 s to send"):
        download(f"{url}/body", hasty, TLS)


def test_the_status_of_an_error(url: str) -> None:
    """It is returned with its body, whose size is limited, too."""
    assert download(url, LIMITS, TLS) == Download(404, b"none")
    assert download(url, LIMITS, TLS, "Bearer abc") == Download(404, b"Bearer abc")
    with pytest.raises(DownloadError, match="sent more than 3 bytes"):
        download(url, Limits(3, wait_seconds=10, total_seconds=60), TLS)


def test_a_server_that_does_not_listen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        download(f"http://127.0.0.1:{port}", LIMITS, TLS)


def test_invalid_http() -> None:
    """A server that sends something else is named."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def respond() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4_096)
                connection.sendall(b"SSH-2.0\r\n\r\n")

        thread = threading.Thread(target=respond)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(DownloadError, match=rf"{url} sent an invalid response: BadStatusLine"):
            download(url, LIMITS, TLS)
        thread.join()
