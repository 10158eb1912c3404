"""An issuer at which a person logs in (OpenID Connect, authorization code with PKCE)."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.support.http_server import Request, Response

CLIENT_ID, CLIENT_SECRET = "student-mlops", "secret-of-the-client"
CODE, ACCESS_TOKEN = "code-of-the-login", "access-token-of-the-person"
ALGORITHM = "RS256"


def make_key() -> RSAKey:
    """Return a new private key; all have the same id."""
    return RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": ALGORITHM})


class LoginIssuer:
    """An issuer.

    Attributes:
        url: Its URL.
        published: The key whose public part it publishes.
        key: The key that signs.
        claims: Claims of the next ID token that replace the usual ones; None removes one.
        authorization: The parameters of the request that led the person here.
    """

    def __init__(self) -> None:
        self.url = ""
        self.published = self.key = make_key()
        self.claims: dict[str, Any] = {}
        self.authorization: dict[str, str] = {}

    def handle(self, request: Request) -> Response:
        """Respond to a request of the metadata, the keys or a token."""
        path = urlsplit(request.path).path
        if path == "/.well-known/openid-configuration":
            return Response(200, self.describe())
        if path == "/keys":
            return Response(200, {"keys": [self.published.as_dict(private=False)]})
        if path == "/token":
            return self.exchange(request)
        return Response(404, "not found")

    def describe(self) -> dict[str, Any]:
        """Return the issuer's metadata."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }

    def exchange(self, request: Request) -> Response:
        """Return the tokens for a code, to the client that the person came from."""
        form = {name: value for name, (value,) in parse_qs(request.body.decode()).items()}
        login = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if request.headers["Authorization"] != f"Basic {login}":
            return Response(401, {"error": "invalid_client"})
        if (form["code"], challenge) != (CODE, self.authorization["code_challenge"]):
            return Response(400, {"error": "invalid_grant"})
        tokens = {"id_token": self.sign(), "access_token": ACCESS_TOKEN}
        return Response(200, {**tokens, "token_type": "Bearer", "expires_in": 60})

    def sign(self) -> str:
        """Return an ID token for the login."""
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": "7f3c",
            "preferred_username": "anna",
            "nonce": self.authorization["nonce"],
            "iat": int(time.time()),
            "exp": int(time.time()) + 600,
            **self.claims,
        }
        present = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": ALGORITHM, "kid": self.key.kid}, present, self.key)
