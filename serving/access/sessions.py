"""Sessions of the page: a cookie that was given in exchange for an API key.

The cookie names the key by a hash of its hash, the time of expiry and the session. It is signed
with a secret that all pods share. A session ends with its key, at its expiry, or at the logout: the
pod that logs out writes the session's id to the lake, where the other pods look for it. Browsers
send cookies with requests of other sites too, so a request with a cookie must come from the page.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from pipeline.errors import LakeError
from pipeline.storage.lake import Lake
from pipeline.storage.layout import ended_session
from serving.access.keyring import Caller, Entry, KeyRing
from serving.http.problems import CrossSite, Unauthorized

log = logging.getLogger(__name__)

COOKIE = "predictor-session"
LAKE_CHECK_SECONDS = 5.0
"""A session is looked up among the ended ones once in so many seconds."""
MAX_CHECKED = 10_000
"""Sessions whose last check is stored; beyond it, expired ones are forgotten."""


@dataclass(frozen=True)
class Session:
    """A valid session.

    Attributes:
        id: Random id.
        expires_at: Time of its end in seconds since the epoch.
        entry: The key that it was given for.
    """

    id: str
    expires_at: int
    entry: Entry

    @property
    def lake_key(self) -> str:
        """Key of the object that exists once the session has ended by a logout."""
        day = datetime.fromtimestamp(self.expires_at, UTC).date().isoformat()
        return ended_session(day, self.id)


class Sessions:
    """Signs and checks the cookies of sessions.

    Args:
        keys: The API keys.
        secret: Secret of the signatures, which all pods share; empty for a random one, with which
            sessions end with the process.
        hours: How long a session lasts.
        open_lake: Returns the lake; called in threads.
    """

    def __init__(
        self, keys: KeyRing, secret: bytes, hours: float, open_lake: Callable[[], Lake]
    ) -> None:
        self._keys = keys
        self._is_shared = bool(secret)
        self._secret = secret or secrets.token_bytes(32)
        self._seconds = round(3600 * hours)
        self._open_lake = open_lake
        self._ended: dict[str, int] = {}
        """Expiry of sessions that are known to have ended by a logout."""
        self._checked: dict[str, tuple[float, int]] = {}
        """When each session was last looked up in the lake, and its expiry."""

    def begin(self, key: bytes, headers: Mapping[bytes, bytes]) -> str:
        """Begin a session.

        Args:
            key: An API key.
            headers: The request's headers.

        Returns:
            The value of the header `Set-Cookie`. The cookie is restricted to HTTPS if the page was
            loaded by HTTPS.

        Raises:
            Unauthorized: If the key is unknown, expired or revoked.
        """
        entry = self._keys.find(key)
        expires_at = int(time.time()) + self._seconds
        content = f"{entry.id}.{expires_at}.{secrets.token_hex(16)}"
        is_https = headers.get(b"origin", b"").startswith(b"https://")
        return _cookie(f"{content}.{self._sign(content)}", self._seconds, is_https)

    async def authenticate(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Find out whose session a request has.

        Raises:
            Unauthorized: If there is no session, or it has ended.
        """
        session = await self.find(headers)
        if session is None:
            raise Unauthorized("The session has ended, or its key is no longer valid; log in")
        return session.entry.caller

    async def find(self, headers: Mapping[bytes, bytes]) -> Session | None:
        """Return the session of a request, or None if it has none, or a wrong or ended one."""
        session = self._read(get_cookie(headers))
        if session is None or session.id in self._ended:
            return None
        if self._is_shared and await self._has_ended_elsewhere(session):
            self._ended[session.id] = session.expires_at
            return None
        return session

    async def end(self, session: Session) -> str:
        """End a session on all pods.

        Returns:
            The value of the header `Set-Cookie`, which deletes the cookie.

        Raises:
            LakeError: If the other pods cannot learn of it; it has ended on this pod.
        """
        self._ended[session.id] = session.expires_at
        if self._is_shared:
            write = partial(self._write_ended, session.lake_key)
            await asyncio.get_running_loop().run_in_executor(None, write)
        return _cookie("", 0, is_https=False)

    def _write_ended(self, key: str) -> None:
        self._open_lake().write(key, b"")

    def _sign(self, content: str) -> str:
        return hmac.new(self._secret, content.encode(), hashlib.sha256).hexdigest()

    def _read(self, cookie: str) -> Session | None:
        """Return the session of a cookie with a valid signature, time and key."""
        content, _, signature = cookie.rpartition(".")
        # Signatures are compared as bytes, because a cookie may have characters that are not ASCII.
        if not hmac.compare_digest(self._sign(content).encode(), signature.encode()):
            return None
        entry_id, expires_at, session_id = content.split(".")
        entry = self._keys.get_valid(entry_id)
        if entry is None or time.time() >= int(expires_at):
            return None
        return Session(session_id, int(expires_at), entry)

    async def _has_ended_elsewhere(self, session: Session) -> bool:
        """Whether another pod has ended the session; if the lake is unreachable, it has not."""
        now = time.monotonic()
        checked, _ = self._checked.get(session.id, (-LAKE_CHECK_SECONDS, 0))
        if now < checked + LAKE_CHECK_SECONDS:
            return False
        if len(self._checked) >= MAX_CHECKED:
            self._forget_expired()
        self._checked[session.id] = now, session.expires_at
        try:
            return await asyncio.get_running_loop().run_in_executor(
                None, lambda: self._open_lake().exists(session.lake_key)
            )
        except LakeError as error:
            log.warning("a session cannot be looked up among those that have ended: %s", error)
            return False

    def _forget_expired(self) -> None:
        now = time.time()
        self._ended = {id_: expiry for id_, expiry in self._ended.items() if expiry > now}
        self._checked = {id_: known for id_, known in self._checked.items() if known[1] > now}


def get_cookie(headers: Mapping[bytes, bytes]) -> str:
    """Return the session cookie of a request; empty if there is none."""
    for pair in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def require_same_origin(headers: Mapping[bytes, bytes]) -> None:
    """Refuse requests that a page of another site sends.

    Browsers send `Sec-Fetch-Site` to HTTPS and localhost, and `Origin` with each POST and DELETE.

    Raises:
        CrossSite: If neither header shows that the request comes from the predictor's own page.
    """
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        is_own = site == b"same-origin"
    else:
        is_own = headers.get(b"origin", b"").partition(b"://")[2] == headers.get(b"host")
    if not is_own:
        raise CrossSite


def refuse_other_sites(headers: Mapping[bytes, bytes], origins: Collection[bytes]) -> None:
    """Refuse a token that a login proxy may have added to a request of another site's page.

    The proxy turns its own cookie into a token. A program sends neither header.

    Args:
        headers: The request's headers.
        origins: Origins whose pages may send tokens.

    Raises:
        CrossSite: If a browser sent the request for another page than the predictor's own.
    """
    is_browser = b"origin" in headers or b"sec-fetch-site" in headers
    if is_browser and headers.get(b"origin") not in origins:
        require_same_origin(headers)


def _cookie(value: str, seconds: int, is_https: bool) -> str:
    secure = "; Secure" if is_https else ""
    return f"{COOKIE}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Strict{secure}"
