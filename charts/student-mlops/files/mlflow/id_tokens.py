"""Check the ID tokens of an issuer (OpenID Connect).

Reference: OpenID Connect Core 1.0, section 3.1.3.7, "ID Token Validation".
"""

import threading
import time

import requests
from joserfc import jwk, jwt
from joserfc.errors import JoseError

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384")
"""Algorithms of accepted signatures. The predictor accepts the same.

Symmetric ones are not among them: everybody who has the public key could sign.
"""
LEEWAY_SECONDS = 30
"""How far the clocks of the issuer and of MLflow may differ. The predictor accepts the same."""
TIMEOUT_SECONDS = (3, 5)
"""To connect to the issuer, and for its response."""
RETRY_SECONDS = 5
"""Time between two requests for the keys as long as there are none."""
UNKNOWN_KEY_SECONDS = 60
"""Time between two requests because of tokens whose key is unknown."""
MAX_AGE_SECONDS = 3600
"""Older keys are requested again, so that a key that the issuer removes is no longer accepted."""


class InvalidToken(Exception):
    """A token is not valid. The message is the reason."""


class IssuerUnavailable(Exception):
    """The issuer's keys cannot be read, so no token can be checked."""


class IssuerKeys:
    """The public keys of an issuer, by their id.

    Args:
        issuer: URL of the issuer.
        clock: Returns the time in seconds, from any start.
    """

    def __init__(self, issuer, clock=time.monotonic):
        self._issuer = issuer
        self._clock = clock
        self._lock = threading.Lock()
        self._keys = {}
        self._fetched = self._tried = float("-inf")

    def find(self, key_id):
        """Return a key.

        Args:
            key_id: Id of the key. None is accepted if the issuer has only one.

        Raises:
            InvalidToken: If the issuer has no such key.
            IssuerUnavailable: If the issuer does not respond, and never has.
        """
        with self._lock:
            if self._is_due(key_id):
                self._fetch()
            keys = self._keys
        if key_id is None and len(keys) == 1:
            return next(iter(keys.values()))
        if key_id not in keys:
            raise InvalidToken(f"its key {key_id!r} is not one of {self._issuer}")
        return keys[key_id]

    def _is_due(self, key_id):
        now = self._clock()
        if not self._keys:
            return now - self._tried >= RETRY_SECONDS
        is_needed = key_id not in self._keys or now - self._fetched >= MAX_AGE_SECONDS
        return is_needed and now - self._tried >= UNKNOWN_KEY_SECONDS

    def _fetch(self):
        """Request the keys; those of an earlier response stay if the issuer is not available."""
        self._tried = self._clock()
        try:
            self._keys = _read_keys(_get_json(_find_keys(self._issuer)))
            self._fetched = self._tried
        except (requests.RequestException, JoseError, LookupError, TypeError, ValueError) as error:
            print(f"sign-on: the keys of {self._issuer} could not be read: {error!r}", flush=True)
            if not self._keys:
                raise IssuerUnavailable(self._issuer) from error


class TokenChecker:
    """Checks ID tokens.

    Args:
        issuer: URL of the issuer.
        client_id: Id of the client for which tokens must be issued.
        keys: Keys of the issuer.
    """

    def __init__(self, issuer, client_id, keys=None):
        self._keys = keys or IssuerKeys(issuer)
        self._rules = {
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": client_id},
            "exp": {"essential": True},
            "sub": {"essential": True},
        }

    def check(self, token):
        """Return the claims of a valid token.

        Raises:
            InvalidToken: If the signature or a claim is wrong.
            IssuerUnavailable: If the keys to check the signature cannot be read.
        """
        try:
            decoded = jwt.decode(token, self._find_key, algorithms=ALGORITHMS)
            jwt.JWTClaimsRegistry(leeway=LEEWAY_SECONDS, **self._rules).validate(decoded.claims)
        except (JoseError, ValueError, TypeError) as error:
            raise InvalidToken(str(error) or type(error).__name__) from error
        return decoded.claims

    def _find_key(self, signature):
        return self._keys.find(signature.headers().get("kid"))


def _find_keys(issuer):
    """Return the URL of an issuer's keys."""
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    configuration = _get_json(url)
    if configuration["issuer"] != issuer:
        raise ValueError(f"{url} belongs to the issuer {configuration['issuer']}")
    return configuration["jwks_uri"]


def _get_json(url):
    response = requests.get(url, timeout=TIMEOUT_SECONDS)
    response.raise_for_status()
    return response.json()


def _read_keys(document):
    """Return the keys for signatures. Those of kinds that joserfc does not know are left out."""
    keys = {}
    for item in document["keys"]:
        if item.get("use", "sig") == "sig" and item.get("kty") in ("RSA", "EC"):
            keys[item.get("kid")] = jwk.import_key(item)
    return keys
