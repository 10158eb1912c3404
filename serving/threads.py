"""Threads that run next to the event loop."""

from __future__ import annotations

import contextlib
import os
import threading

NICE = 10


def lower_thread_priority() -> None:
    """Lower this thread's scheduling priority (nice 10), so that request handling runs first.

    Does nothing on systems where threads have no separate priority.
    """
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
