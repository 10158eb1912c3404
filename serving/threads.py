"""Threads beside the event loop."""

from __future__ import annotations

import contextlib
import os
import threading

NICE = 10


def stand_back() -> None:
    """Lets every other thread go before this one, where the system has priorities by thread: answers come first."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
