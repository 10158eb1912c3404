"""Tokens of single sign-on: JSON Web Tokens that an OpenID Connect issuer signed.

A token is checked once, and stored until it expires. Reference: RFC 7519, and the recommendations
of RFC 8725.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from joserfc import jws
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwt import JWTClaimsRegistry

from pipeline.errors import SettingsError
from serving.access.issuer import ALGORITHMS, IssuerError, Key, fetch_keys
from serving.access.keyring import Caller, get_bearer
from serving.http.problems import BadToken, Forbidden, Unavailable
from serving.permissions import ALLOWED, Access, Role
from serving.settings import OidcSettings

log = logging.getLogger(__name__)

LEEWAY_SECONDS = 30
"""How far the clocks of the issuer and of the predictor may differ. MLflow accepts the same."""
REFRESH_SECONDS = 3_600.0
"""Pause between two fetches of the issuer's keys, so that a withdrawn key is forgotten."""
RETRY_SECONDS = 10.0
"""Pause after a fetch that failed."""
UNKNOWN_KEY_SECONDS = 60.0
"""A token with an unknown key causes at most one fetch in so many seconds."""
MAX_WAITING = 32
"""Number of requests that wait for a running fetch; further ones get 503."""
MAX_LOGINS = 2_000
"""Number of valid tokens that are stored; beyond it, the oldest is forgotten."""
MAX_STORED_BYTES = 8_192
"""Longest header whose login is stored: people can pad theirs with spaces up to the limit of a
header. Longer tokens are checked with each request."""
NAME_CLAIMS = ("name", "preferred_username", "email", "sub")

REGISTRY = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)


@dataclass(frozen=True)
class Login:
    """A valid token.

    Attributes:
        callers: What the role allows -> counts of everybody with the role.
        role: The first of the person's roles; None without any.
        name: Name of the person for the page, which is not logged.
        expires_at: Time of its expiry in seconds since the epoch.
    """

    callers: Mapping[Access, Caller]
    role: Role | None
    name: str
    expires_at: float


class Tokens:
    """Checks tokens. For the event loop's thread only; keys are fetched in threads.

    Args:
        settings: The issuer, the client and the roles.
        fetch: Returns the keys of the issuer with this URL; called in a thread.
    """

    def __init__(
        self, settings: OidcSettings, fetch: Callable[[str], dict[str, Key]] = fetch_keys
    ) -> None:
        self.callers = {role: Caller(role) for role in Role}
        """Counts of the requests and rows of each role."""
        self.refused = dict.fromkeys(("invalid", "expired", "forbidden"), 0)
        """Refused requests by the reason."""
        self.fetched_at = 0.0
        """Time of the last fetch of the issuer's keys, in seconds since the epoch; 0 for never."""
        self._settings = settings
        self._values = settings.values_by_role
        self._fetch = fetch
        self._keys: dict[str, Key] = {}
        self._claims = JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": settings.issuer},
            aud={"essential": True, "value": settings.client_id},
            exp={"essential": True},
            sub={"essential": True},
        )
        self._logins: dict[bytes, Login] = {}
        """Header `Authorization` -> the login of its token."""
        self._refresh: asyncio.Task[bool] | None = None
        self._unknown_key_at = -UNKNOWN_KEY_SECONDS
        self._waiting = 0

    @staticmethod
    def is_sent(headers: Mapping[bytes, bytes]) -> bool:
        """Whether a request sends a bearer credential in the form of a token; keys have another."""
        credential = get_bearer(headers) or b""
        return credential.startswith(b"eyJ") and credential.count(b".") == 2

    async def watch(self) -> None:
        """Fetch the issuer's keys now and then, until this task is cancelled."""
        while True:
            is_done = await asyncio.shield(self._begin_refresh())
            await asyncio.sleep(REFRESH_SECONDS if is_done else RETRY_SECONDS)

    def get_known(self, headers: Mapping[bytes, bytes]) -> Login | None:
        """Return the login of a token that was checked before and has not expired, or None."""
        login = self._logins.get(headers.get(b"authorization", b""))
        return login if login is not None and time.time() < login.expires_at else None

    async def check(self, headers: Mapping[bytes, bytes]) -> Login:
        """Check the token that a request sends, and store its login if the header is not too long.

        Raises:
            BadToken: If the token is not valid.
            Unavailable: If the issuer's keys are not known.
        """
        login = self._to_login(await self._read_claims(get_bearer(headers) or b""))
        authorization = headers[b"authorization"]
        if len(authorization) <= MAX_STORED_BYTES:
            if len(self._logins) >= MAX_LOGINS:
                del self._logins[next(iter(self._logins))]
            self._logins[authorization] = login
        return login

    def authorize(self, login: Login, access: Access) -> Caller:
        """Return the counts of a person's role.

        Args:
            login: The login of the person.
            access: What the route gives access to.

        Raises:
            Forbidden: If no role of the person allows the access.
        """
        caller = login.callers.get(access)
        if caller is None:
            self.refused["forbidden"] += 1
            needed = [role for role in Role if role in ALLOWED[access]]
            raise Forbidden(login.role, access.value, needed)
        return caller

    async def _read_claims(self, token: bytes) -> dict[str, Any]:
        """Return the claims of a token with a valid signature, issuer, audience and time."""
        try:
            signature = jws.extract_compact(token, registry=REGISTRY)
            header = signature.headers()
            REGISTRY.check_header(header)
            REGISTRY.get_alg(header["alg"])
            key = await self._find_key(header.get("kid"))
            if not jws.validate_compact(signature, key, registry=REGISTRY):
                self._refuse("its signature is wrong")
            claims = json.loads(signature.payload)
            if not isinstance(claims, dict):
                self._refuse("it has no claims")
            self._claims.validate(claims)
        except ExpiredTokenError:
            self.refused["expired"] += 1
            raise BadToken("it has expired") from None
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            self._refuse(_describe(error))
        return claims

    async def _find_key(self, key_id: str | None) -> Key:
        """Return the key with an id; without an id, the only key."""
        if key := self._get_key(key_id):
            return key
        now = time.monotonic()
        is_running = self._refresh is not None and not self._refresh.done()
        if not is_running and now >= self._unknown_key_at + UNKNOWN_KEY_SECONDS:
            self._unknown_key_at = now
            self._begin_refresh()
            is_running = True
        if is_running:
            await self._wait()
        if not self._keys:
            raise self._no_keys()
        return self._get_key(key_id) or self._refuse("the issuer has no such key")

    def _get_key(self, key_id: str | None) -> Key | None:
        if key_id is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(key_id)

    async def _wait(self) -> None:
        """Wait for the running fetch."""
        assert self._refresh is not None
        if self._waiting >= MAX_WAITING:
            raise self._no_keys()
        self._waiting += 1
        try:
            await asyncio.shield(self._refresh)
        finally:
            self._waiting -= 1

    def _no_keys(self) -> Unavailable:
        return Unavailable(
            f"The keys of the issuer {self._settings.issuer} are not known yet; try again"
        )

    def _begin_refresh(self) -> asyncio.Task[bool]:
        if self._refresh is None or self._refresh.done():
            self._refresh = asyncio.create_task(self._refresh_keys())
        return self._refresh

    async def _refresh_keys(self) -> bool:
        """Fetch the issuer's keys; without success the last ones stay valid."""
        try:
            found = await asyncio.to_thread(self._fetch, self._settings.issuer)
        except (IssuerError, SettingsError) as error:
            log.warning(
                "the keys of the issuer %s cannot be fetched: %s; %d earlier keys stay valid",
                *(self._settings.issuer, error, len(self._keys)),
            )
            return False
        if _get_thumbprints(found) != _get_thumbprints(self._keys):
            self._logins.clear()  # a withdrawn key accepts nothing any more
            log.info("fetched %d keys of the issuer %s", len(found), self._settings.issuer)
        self._keys = found
        self.fetched_at = time.time()
        return True

    def _to_login(self, claims: dict[str, Any]) -> Login:
        found = claims.get(self._settings.roles_claim)
        values = [found] if isinstance(found, str) else found if isinstance(found, list) else []
        given = {value for value in values if isinstance(value, str)}
        role = next((role for role in Role if given & self._values.get(role, frozenset())), None)
        name = next((claims[name] for name in NAME_CLAIMS if claims.get(name)), "")
        callers = {
            access: self.callers[role] for access, allowed in ALLOWED.items() if role in allowed
        }
        return Login(callers, role, str(name), claims["exp"] + LEEWAY_SECONDS)

    def _refuse(self, reason: str) -> NoReturn:
        self.refused["invalid"] += 1
        raise BadToken(reason)


def _get_thumbprints(keys: dict[str, Key]) -> dict[str, str]:
    return {key_id: key.thumbprint() for key_id, key in keys.items()}


def _describe(error: Exception) -> str:
    """What is wrong with a token, for its owner."""
    if isinstance(error, JoseError):
        return str(error.description or error.error).rstrip(".") or type(error).__name__
    return "it is no signed token"
