"""Fetches the public keys of an OpenID Connect issuer.

Reference: OpenID Connect Discovery 1.0, section 4, and RFC 7517 (JSON Web Key).
"""

from __future__ import annotations

import json
import ssl
from http import HTTPStatus
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key

from pipeline.tls import trust_ca_bundle
from serving.http.download import DownloadError, Limits, download

Key = RSAKey | ECKey

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384")
"""Algorithms of accepted signatures: those of common issuers. MLflow accepts the same.

Symmetric ones are not among them: everybody who has the public key could sign.
"""
DISCOVERY_PATH = "/.well-known/openid-configuration"
LIMITS = Limits(max_bytes=1_000_000, wait_seconds=5, total_seconds=10)


class IssuerError(Exception):
    """The issuer is unreachable, or its response has no keys."""


def fetch_keys(url: str) -> dict[str, Key]:
    """Fetch the keys of an issuer. This blocks: call it in a thread.

    Args:
        url: URL of the issuer.

    Returns:
        Its public keys for the accepted algorithms, by key id.

    Raises:
        IssuerError: If the issuer is unreachable, is another one, or publishes no usable key.
        SettingsError: If REQUESTS_CA_BUNDLE names no readable certificates.
    """
    tls = trust_ca_bundle(ssl.create_default_context())
    document = _fetch_json(f"{url.rstrip('/')}{DISCOVERY_PATH}", tls)
    issuer, keys_url = document.get("issuer"), document.get("jwks_uri")
    if issuer != url:
        raise IssuerError(f"its discovery document is that of the issuer {issuer!r}")
    scheme = url.partition("://")[0]
    if not isinstance(keys_url, str) or not keys_url.startswith((f"{scheme}://", "https://")):
        raise IssuerError(f"its jwks_uri is {keys_url!r}, which is no {scheme} URL")
    keys = _read_keys(_fetch_json(keys_url, tls).get("keys"))
    if not keys:
        raise IssuerError(f"{keys_url} has no key for {', '.join(ALGORITHMS)}")
    return keys


def _read_keys(items: Any) -> dict[str, Key]:
    """Import the keys that can check accepted signatures, and ignore the others."""
    found: list[Key] = []
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, dict) or item.get("use", "sig") != "sig":
            continue
        if item.get("alg", ALGORITHMS[0]) not in ALGORITHMS:
            continue
        try:
            key = import_key(item)
        except (JoseError, ValueError, TypeError, KeyError):  # such as an unknown curve
            continue
        if isinstance(key, Key) and not key.is_private:
            key.ensure_kid()
            found.append(key)
    return {str(key.kid): key for key in found}


def _fetch_json(url: str, tls: ssl.SSLContext) -> dict[str, Any]:
    try:
        response = download(url, LIMITS, tls)
    except OSError as error:
        raise IssuerError(f"{url} is unreachable: {error}") from error
    except DownloadError as error:
        raise IssuerError(str(error)) from error
    if response.status != HTTPStatus.OK:
        raise IssuerError(f"{url} responded with {response.status}")
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError) as error:
        raise IssuerError(f"{url} sent no JSON: {error}") from error
    if not isinstance(document, dict):
        raise IssuerError(f"{url} sent no JSON object")
    return document
