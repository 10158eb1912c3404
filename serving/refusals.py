"""Log refused requests, each kind at most once per interval: no client can fill the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 10.0
REFUSING_STATUSES = frozenset({401, 403, 404, 408, 413, 429})
"""Statuses of responses that attempts to do what is not allowed get."""
MAX_PATH_LENGTH = 100


class RefusalLog:
    """Use it from the event loop only."""

    def __init__(
        self,
        interval_seconds: float = INTERVAL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._next: dict[str, float] = {}
        self._unreported: dict[str, int] = {}

    def record(self, kind: str, describe: Callable[[], str]) -> None:
        """Log a refusal, or count it until the next line of its kind.

        Args:
            kind: What is refused; one of a few constant words.
            describe: Returns the text of the line.
        """
        now = self._clock()
        if now < self._next.get(kind, 0):
            self._unreported[kind] = self._unreported.get(kind, 0) + 1
            return
        self._next[kind] = now + self._interval_seconds
        count = self._unreported.pop(kind, 0)
        more = f"; {count} more of these since the last such line" if count else ""
        log.warning("refused %s: %s%s", kind, describe(), more)


def describe_request(method: str, path: str, client: object, request_id: bytes) -> str:
    """Describe a request in one line, even if its path has line breaks."""
    shown = path if len(path) <= MAX_PATH_LENGTH else f"{path[:MAX_PATH_LENGTH]}…"
    address = client[0] if isinstance(client, tuple) else "unknown"
    return f"{method} {shown!a} from {address}, request {request_id.decode(errors='replace')!a}"
