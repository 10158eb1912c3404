"""An issuer at which a person logs in (OpenID Connect, authorization code with PKCE)."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.http_server import Request, Response
from tests.support.issuer import CLIENT_ID, Issuer, encode

CLIENT_SECRET = "secret-of-the-client"
CODE, ACCESS_TOKEN = "code-of-the-login", "access-token-of-the-person"


class LoginIssuer(Issuer):
    """An issuer that exchanges a code for tokens.

    Attributes:
        claims: Claims of the next ID token that replace the usual ones; None removes one.
        authorization: The parameters of the request that led the person here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.claims: dict[str, Any] = {}
        self.authorization: dict[str, str] = {}

    def handle(self, request: Request) -> Response:
        """Respond to a request of a token, the metadata or the keys."""
        if urlsplit(request.path).path == "/token":
            return self.exchange(request)
        return super().handle(request)

    def exchange(self, request: Request) -> Response:
        """Return the tokens for a code, to the client that the person came from."""
        form = {name: value for name, (value,) in parse_qs(request.body.decode()).items()}
        login = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        challenge = encode(hashlib.sha256(form["code_verifier"].encode()).digest())
        if request.headers["Authorization"] != f"Basic {login}":
            return Response(401, {"error": "invalid_client"})
        if (form["code"], challenge) != (CODE, self.authorization["code_challenge"]):
            return Response(400, {"error": "invalid_grant"})
        token = self.sign(**{"nonce": self.authorization["nonce"], **self.claims})
        tokens = {"id_token": token, "access_token": ACCESS_TOKEN}
        return Response(200, {**tokens, "token_type": "Bearer", "expires_in": 60})
