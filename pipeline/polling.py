"""Wait for a condition by asking for it repeatedly."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def poll_until(
    probe: Callable[[], T | None], *, timeout_seconds: float, interval_seconds: float
) -> T | None:
    """Call a probe until it returns something.

    Args:
        probe: Returns None while the condition does not hold, and the result once it does.
        timeout_seconds: Time after which no further call is made. The probe is called at least
            once, and once more at the deadline.
        interval_seconds: Pause between two calls.

    Returns:
        The first result that is not None, or None if there was none before the deadline.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        result = probe()
        if result is not None:
            return result
        remaining_seconds = deadline - time.monotonic()
        if remaining_seconds <= 0:
            return None
        time.sleep(min(interval_seconds, remaining_seconds))
