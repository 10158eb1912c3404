"""The HTTP client for our own servers: predictor and MLflow."""

from __future__ import annotations

import functools
import ssl

import httpx

from pipeline.tls import trust_ca_bundle


def open_client(timeout_seconds: float, *, api_key: str = "") -> httpx.Client:
    """Open a client for our own servers.

    The client ignores proxy variables, because the servers run on this machine or in the same
    cluster. It trusts the certificate authorities of the operating system, or of SSL_CERT_FILE, and
    those of REQUESTS_CA_BUNDLE.

    Args:
        timeout_seconds: Timeout of connecting and of each wait for data.
        api_key: Key that each request sends as a bearer token; empty for none.

    Returns:
        A client that keeps its connections open. Close it, or use it in a `with` statement.

    Raises:
        SettingsError: If REQUESTS_CA_BUNDLE names no readable certificates.
    """
    return httpx.Client(
        headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
        timeout=timeout_seconds,
        trust_env=False,
        verify=_tls_context(),
    )


@functools.cache
def _tls_context() -> ssl.SSLContext:
    return trust_ca_bundle(ssl.create_default_context())
