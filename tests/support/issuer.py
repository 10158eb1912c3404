"""A small issuer of ID tokens (OpenID Connect), for tests of what accepts them."""

from __future__ import annotations

import contextlib
import hmac
import json
import ssl
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwk, jwt

from tests.support.http_server import Request, Response, serve

CLIENT_ID = "student-mlops"
LIFETIME_SECONDS = 600
CONFIGURATION = "/.well-known/openid-configuration"
KEYS = "/keys"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Algorithms that it can sign with, whether or not they are accepted."""
NO_CHANGES: Mapping[str, Any] = MappingProxyType({})

Key = jwk.RSAKey | jwk.ECKey


class Issuer:
    """Signs tokens, and serves the keys to check them.

    Attributes:
        url: URL of the issuer.
        name: What its configuration and tokens call it, if not by its URL.
        key: The key that signs.
        published: The keys that are served.
        unusable: Keys of unknown kinds that are served too.
        requests: Paths of the requests to the issuer.
        available: Whether the issuer responds; without it, every request fails.
    """

    def __init__(self) -> None:
        self.url = self.name = ""
        self.key: Key = new_key("first")
        self.published: list[Key] = [self.key]
        self.unusable: list[dict[str, str]] = []
        self.requests: list[str] = []
        self.available = True

    def handle(self, request: Request) -> Response:
        """Serve the configuration and the public keys."""
        path = urlsplit(request.path).path
        self.requests.append(path)
        if not self.available:
            return Response(503, "the issuer is not available")
        if path == CONFIGURATION:
            return Response(200, self.describe())
        if path == KEYS:
            usable = [key.as_dict(private=False) for key in self.published]
            return Response(200, {"keys": [*self.unusable, *usable]})
        return Response(404, "not found")

    def describe(self) -> dict[str, Any]:
        """Return the issuer's configuration."""
        return {
            "issuer": self.name or self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": self.url + KEYS,
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def make_claims(self, *roles: str, **changes: Any) -> dict[str, Any]:
        """Return the claims of a token; those that `changes` sets to None are left out."""
        now = int(time.time())
        claims = {
            "iss": self.name or self.url,
            "aud": CLIENT_ID,
            "sub": "7f3c",
            "preferred_username": "anna",
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
            "roles": list(roles),
        }
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def sign(
        self,
        *roles: str,
        key: Key | None = None,
        header: Mapping[str, Any] = NO_CHANGES,
        **changes: Any,
    ) -> str:
        """Return a signed token of a person with these roles.

        Args:
            roles: The roles.
            key: The key that signs it; None for that of the issuer.
            header: Fields that replace those of its header; None leaves one out.
            changes: Claims that replace the others; None leaves one out.
        """
        key = key or self.key
        algorithm = "RS256" if key.key_type == "RSA" else "ES256"
        fields = {"alg": algorithm, "kid": key.kid, **header}
        present = {name: value for name, value in fields.items() if value is not None}
        return jwt.encode(present, self.make_claims(*roles, **changes), key, ALGORITHMS)

    def rotate(self) -> None:
        """Sign with a new key, which is published with the old one."""
        self.key = new_key(f"key-{len(self.published)}")
        self.published.append(self.key)

    def forge(self, *roles: str) -> dict[str, str]:
        """Return tokens that nobody may accept, by what is wrong with them."""
        claims = self.make_claims(*roles)
        signed = self.sign(*roles)
        header, payload, signature = signed.split(".")
        stranger = new_key("stranger")
        same_id = new_key(str(self.key.kid))
        symmetric = f"{encode({'alg': 'HS256', 'kid': self.key.kid})}.{payload}"
        public = self.key.as_pem(private=False)
        digest = hmac.digest(public, symmetric.encode(), "sha256")
        more = encode(claims | {"roles": ["admin"]})
        return {
            "no signature": f"{header}.{payload}.",
            "alg none": f"{encode({'alg': 'none'})}.{payload}.",
            "HS256 with the public key": f"{symmetric}.{encode(digest)}",
            "changed claims": f"{header}.{more}.{signature}",
            "a stranger's key": jwt.encode({"alg": "RS256", "kid": "stranger"}, claims, stranger),
            "a stranger's key with this id": jwt.encode(
                {"alg": "RS256", "kid": self.key.kid}, claims, same_id
            ),
            "key in the header": jwt.encode(
                {"alg": "RS256", "jwk": stranger.as_dict(private=False)}, claims, stranger
            ),
            "another audience": self.sign(*roles, aud="another"),
            "no audience": self.sign(*roles, aud=None),
            "another issuer": self.sign(*roles, iss="http://127.0.0.1:1"),
            "expired": self.sign(*roles, exp=int(time.time()) - 120),
            "no expiry": self.sign(*roles, exp=None),
            "not yet valid": self.sign(*roles, nbf=int(time.time()) + 600),
            "no person": self.sign(*roles, sub=None, preferred_username=None),
            "no token": "eyJ",
        }


def encode(part: Mapping[str, Any] | bytes) -> str:
    """Return a part of a token in the encoding of tokens."""
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return urlsafe_b64encode(data).decode().rstrip("=")


def new_key(name: str) -> jwk.RSAKey:
    """Return a new RSA key with this id."""
    return jwk.RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "RS256"})


@contextlib.contextmanager
def run_issuer(tls: ssl.SSLContext | None = None) -> Iterator[Issuer]:
    """Run an issuer."""
    issuer = Issuer()
    with serve(issuer.handle, tls=tls) as url:
        issuer.url = url
        yield issuer
