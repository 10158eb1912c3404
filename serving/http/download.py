"""Downloads responses with limits on their time and size, by the standard library."""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

CHUNK_BYTES = 1 << 20


class DownloadError(Exception):
    """A response exceeds a limit, or is invalid HTTP."""


@dataclass(frozen=True)
class Limits:
    """Limits on a response.

    Attributes:
        max_bytes: Largest size of its body.
        wait_seconds: Timeout of connecting and of each wait for data.
        total_seconds: Timeout of the whole download.
    """

    max_bytes: int
    wait_seconds: float
    total_seconds: float


@dataclass(frozen=True)
class Download:
    """A whole response.

    Attributes:
        status: Its HTTP status, which may be that of an error.
        body: Its body.
    """

    status: int
    body: bytes


def download(
    url: str, limits: Limits, tls: ssl.SSLContext, authorization: str | None = None
) -> Download:
    """Send a GET request, and read the response. This blocks: call it in a thread.

    Args:
        url: An HTTP or HTTPS URL.
        limits: Limits on the response.
        tls: TLS context of HTTPS connections.
        authorization: Header of the request, which is not sent to the target of a redirect.

    Raises:
        OSError: If the server is unreachable.
        DownloadError: If the response exceeds a limit, or is invalid.
    """
    deadline = time.monotonic() + limits.total_seconds
    request = urllib.request.Request(url)  # noqa: S310 - the settings accept http and https only
    if authorization:
        request.add_unredirected_header("Authorization", authorization)
    try:
        with _open(request, limits, tls) as response:
            return Download(response.status, _read(response, limits, deadline))
    except (OSError, DownloadError):
        raise
    except Exception as error:  # http.client's own errors
        raise DownloadError(f"{url} sent an invalid response: {error!r}") from error


def _open(request: urllib.request.Request, limits: Limits, tls: ssl.SSLContext) -> Any:
    """Return the response, which urllib raises if it has the status of an error."""
    try:
        return urllib.request.urlopen(  # noqa: S310 - as above
            request, timeout=limits.wait_seconds, context=tls
        )
    except urllib.error.HTTPError as error:
        return error


def _read(response: Any, limits: Limits, deadline: float) -> bytes:
    data = bytearray()
    while chunk := response.read1(CHUNK_BYTES):
        data += chunk
        if len(data) > limits.max_bytes:
            raise DownloadError(f"{response.url} sent more than {limits.max_bytes:,} bytes")
        if time.monotonic() > deadline:
            raise DownloadError(f"{response.url} took more than {limits.total_seconds:g} s to send")
    return bytes(data)
