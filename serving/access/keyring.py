"""The API keys that the predictor accepts, from a file that is read again when it changes.

Without keys and single sign-on, everybody may send requests. The key of MLOPS_PREDICTOR__API_KEY,
which the platform's stages send, is accepted in addition to those of the file.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pipeline.api_keys import PLATFORM, ApiKey, hash_key, read_keys
from pipeline.errors import SettingsError
from serving.http.problems import TooManyRequests, Unauthorized

log = logging.getLogger(__name__)

WINDOW_SECONDS = 60.0
NO_LIMIT = float("inf")
WATCH_INTERVAL_SECONDS = 1.0
"""Pause between two looks at the file's time and size."""


class Caller:
    """All keys of one name, or all people with one role: their counts, and the limits of the keys.
    For the event loop's thread only.

    Limits apply to windows of a minute, each of which begins with a request. Rows above the limit
    count in the next windows, because the length of a list is known only at its end.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.requests = 0
        """Accepted requests."""
        self.rows = 0
        """Predicted rows."""
        self.limited = 0
        """Requests over a limit."""
        self._max_requests = self._max_rows = NO_LIMIT
        self._requests_before = self._rows_before = 0.0
        """Counts at the start of the window."""
        self._window_end = 0.0

    def set_limits(self, key: ApiKey) -> None:
        """Apply the limits of a key to the current window and all later ones."""
        self._max_requests = key.requests_per_minute or NO_LIMIT
        self._max_rows = key.rows_per_minute or NO_LIMIT

    def admit(self) -> None:
        """Count a request.

        Raises:
            TooManyRequests: If it exceeds a limit.
        """
        if (now := time.monotonic()) >= self._window_end:
            self._begin_window(now)
        if self.requests - self._requests_before >= self._max_requests:
            self._refuse("requests", self._max_requests, self._window_end - now)
        if (used := self.rows - self._rows_before) >= self._max_rows:
            more_windows = used // self._max_rows - 1
            wait_seconds = self._window_end - now + more_windows * WINDOW_SECONDS
            self._refuse("rows", self._max_rows, wait_seconds)
        self.requests += 1

    def _begin_window(self, now: float) -> None:
        windows = 1 + (now - self._window_end) // WINDOW_SECONDS
        self._requests_before = self.requests
        self._rows_before = min(self.rows, self._rows_before + windows * self._max_rows)
        self._window_end = now + WINDOW_SECONDS

    def _refuse(self, unit: str, limit: float, wait_seconds: float) -> NoReturn:
        self.limited += 1
        raise TooManyRequests(self.name, round(limit), unit, wait_seconds)


@dataclass(frozen=True)
class Entry:
    """A key that the predictor knows.

    Attributes:
        digest: SHA-256 of the key.
        caller: Whose key it is.
        refused_from: Time in seconds since the epoch from which it is refused.
        reason: Why it is refused from then on: `expired` or `revoked`.
        detail: The same with the day, for the owner.
    """

    digest: bytes
    caller: Caller
    refused_from: float = float("inf")
    reason: str = ""
    detail: str = ""

    @property
    def id(self) -> str:
        """What sessions call the key: a hash of its hash."""
        return hash_key(self.digest).hex()[:16]

    @property
    def is_valid(self) -> bool:
        """Whether the key is accepted now."""
        return time.time() < self.refused_from


class KeyRing:
    """Finds out whose key a request has.

    Args:
        path: The keys file; None for none.
        platform_key: The key of the platform's own stages; empty for none.

    Raises:
        SettingsError: If the file cannot be read, or a line is not a key.
    """

    def __init__(self, path: Path | None, platform_key: bytes) -> None:
        self.callers: dict[str, Caller] = {}
        """By name, including the callers whose keys were removed from the file."""
        self.expiries: dict[str, float] = {}
        """Time from which the last valid key of a name is refused, if it expires."""
        self.refused: dict[str, int] = dict.fromkeys(
            ("missing", "unknown", "expired", "revoked"), 0
        )
        """Refused requests by the reason."""
        self.is_stale = False
        """Whether the file has changed and could not be read; the earlier keys apply."""
        self._path = path
        self._platform_key = platform_key
        self._entries: dict[bytes, Entry] = {}
        self._entries_by_id: dict[str, Entry] = {}
        self._sent: dict[bytes, Entry] = {}
        """Valid keys that were sent, so that each is hashed once."""
        self._version: object = None
        if path is not None:
            self._version = _get_version(path)
            self._set_keys(read_keys(path))
        else:
            self._set_keys([])

    @property
    def is_required(self) -> bool:
        """Whether requests need a key. A file without a valid key refuses all."""
        return self._path is not None or bool(self._platform_key)

    async def watch(self) -> None:
        """Read the file again whenever it has changed, until this task is cancelled.

        A mounted Secret changes by the replacement of a symbolic link, which changes the inode.
        """
        if self._path is None:
            return
        while True:
            await asyncio.sleep(WATCH_INTERVAL_SECONDS)
            self._reload(self._path)

    def _reload(self, path: Path) -> None:
        version = _get_version(path)
        if version == self._version:
            return
        self._version = version
        try:
            keys = read_keys(path)
        except SettingsError as error:
            self.is_stale = True
            log.error("%s. The keys read before stay valid", error)  # noqa: TRY400 - for people
            return
        self.is_stale = False
        self._set_keys(keys)
        log.info("read %d keys from %s", len(keys), path)

    def _set_keys(self, keys: list[ApiKey]) -> None:
        entries: dict[bytes, Entry] = {}
        expiries: dict[str, float] = {}
        if self._platform_key:
            digest = hash_key(self._platform_key)
            entries[digest] = Entry(digest, self._get_caller(PLATFORM))
        for key in keys:
            caller, digest = self._get_caller(key.name), bytes.fromhex(key.sha256)
            caller.set_limits(key)  # of two keys with one name, those of the last
            if key.revoked is not None:
                detail = f"was revoked on {key.revoked}"
                entries[digest] = Entry(digest, caller, 0, "revoked", detail)
                continue
            detail = f"expired on {key.expires}"
            entries[digest] = Entry(digest, caller, key.expires_at, "expired", detail)
            expiries[key.name] = max(expiries.get(key.name, 0), key.expires_at)
        self._entries, self._sent = entries, {}
        self._entries_by_id = {entry.id: entry for entry in entries.values()}
        self.expiries = {name: at for name, at in expiries.items() if at != float("inf")}

    def _get_caller(self, name: str) -> Caller:
        return self.callers.setdefault(name, Caller(name))

    def authenticate(self, key: bytes) -> Caller:
        """Find out whose key it is.

        Its time reveals nothing about a key: Python finds it in a table by a hash with a random
        seed, and compares the bytes only if that hash is equal, so no time depends on how much of
        two different keys is equal.

        Args:
            key: What the request sent; empty for nothing.

        Raises:
            Unauthorized: If there is no key, or it is unknown, expired or revoked.
        """
        if not key:
            self._refuse("missing")
        return self.find(key).caller

    def find(self, key: bytes) -> Entry:
        """Return the entry of a valid key.

        Raises:
            Unauthorized: If it is unknown, expired or revoked.
        """
        entry = self._sent.get(key) or self._entries.get(hash_key(key))
        if entry is None:
            self._refuse("unknown")
        if time.time() >= entry.refused_from:
            self._refuse(entry.reason, entry)
        self._sent[key] = entry
        return entry

    def get_valid(self, entry_id: str) -> Entry | None:
        """Return the entry with an id; None if its key was removed, expired or is revoked."""
        entry = self._entries_by_id.get(entry_id)
        return entry if entry is not None and entry.is_valid else None

    def _refuse(self, reason: str, entry: Entry | None = None) -> NoReturn:
        """Count and raise Unauthorized; only the owner of a key learns what is wrong with it."""
        self.refused[reason] += 1
        raise Unauthorized(f"The key of {entry.caller.name} {entry.detail}" if entry else "")


def get_key(headers: Mapping[bytes, bytes]) -> bytes:
    """Return the key that a request sends, or no bytes."""
    bearer = get_bearer(headers)
    return headers.get(b"x-api-key", b"") if bearer is None else bearer


def get_bearer(headers: Mapping[bytes, bytes]) -> bytes | None:
    """Return the bearer credential of a request, a key or a token; None if it sends none."""
    scheme, _, credential = headers.get(b"authorization", b"").partition(b" ")
    return credential.strip() if scheme.lower() == b"bearer" else None


def _get_version(path: Path) -> object:
    """Return what changes with the content of a file; None if it does not exist."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_ino, facts.st_size
