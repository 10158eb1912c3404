"""Fetches the public keys of an OpenID Connect issuer.

Reference: OpenID Connect Discovery 1.0, section 4, and RFC 7517 (JSON Web Key).
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.request
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key

from pipeline.tls import trust_ca_bundle

Key = RSAKey | ECKey

ALGORITHMS = ("RS256", "ES256", "PS256")
"""Algorithms of accepted signatures. Symmetric ones are not among them: their key is no secret."""
DISCOVERY_PATH = "/.well-known/openid-configuration"
MAX_RESPONSE_BYTES = 1_000_000
TIMEOUT_SECONDS = 5.0
"""Timeout of connecting and of each wait for data. A whole response may take twice as long."""


class IssuerError(Exception):
    """The issuer is unreachable, or its response has no keys."""


@dataclass(frozen=True)
class IssuerKeys:
    """What the issuer publishes.

    Attributes:
        issuer: Its name, which is the claim `iss` of its tokens.
        keys: Its public keys for the accepted algorithms, by key id.
    """

    issuer: str
    keys: dict[str, Key]


def fetch_keys(url: str) -> IssuerKeys:
    """Fetch the keys of an issuer. This blocks: call it in a thread.

    Args:
        url: URL of the issuer.

    Raises:
        IssuerError: If the issuer is unreachable, is another one, or publishes no usable key.
        SettingsError: If REQUESTS_CA_BUNDLE names no readable certificates.
    """
    tls = trust_ca_bundle(ssl.create_default_context())
    document = _fetch_json(f"{url.rstrip('/')}{DISCOVERY_PATH}", tls)
    issuer, keys_url = document.get("issuer"), document.get("jwks_uri")
    if not isinstance(issuer, str) or issuer.rstrip("/") != url.rstrip("/"):
        raise IssuerError(f"its discovery document is that of the issuer {issuer!r}")
    scheme = url.partition("://")[0]
    if not isinstance(keys_url, str) or not keys_url.startswith((f"{scheme}://", "https://")):
        raise IssuerError(f"its jwks_uri is {keys_url!r}, which is no {scheme} URL")
    keys = _read_keys(_fetch_json(keys_url, tls).get("keys"))
    if not keys:
        raise IssuerError(f"{keys_url} has no key for {', '.join(ALGORITHMS)}")
    return IssuerKeys(issuer, keys)


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
        with urllib.request.urlopen(  # noqa: S310 - the callers accept http and https only
            url, timeout=TIMEOUT_SECONDS, context=tls
        ) as response:
            document = json.loads(_read(response, url))
    except IssuerError:
        raise
    except OSError as error:
        raise IssuerError(f"{url} is unreachable: {error}") from error
    except Exception as error:  # http.client's own errors, and no JSON
        raise IssuerError(f"{url} sent an invalid response: {error!r}") from error
    if not isinstance(document, dict):
        raise IssuerError(f"{url} sent no JSON object")
    return document


def _read(response: Any, url: str) -> bytes:
    deadline = time.monotonic() + 2 * TIMEOUT_SECONDS
    data = bytearray()
    while chunk := response.read1(1 << 16):
        data += chunk
        if len(data) > MAX_RESPONSE_BYTES:
            raise IssuerError(f"{url} sent more than {MAX_RESPONSE_BYTES} bytes")
        if time.monotonic() > deadline:
            raise IssuerError(f"{url} took too long to respond")
    return bytes(data)
