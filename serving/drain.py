"""Wait until clients have moved to other replicas before the process stops."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

TICK_SECONDS = 0.25


@dataclass
class Activity:
    """What clients do, apart from probes.

    Attributes:
        requests: Number of requests since the start.
        pending: Number of open connections whose first request has not arrived.
    """

    requests: int = 0
    pending: int = 0


async def wait_until_idle(activity: Activity, *, idle_seconds: float, deadline: float) -> bool:
    """Wait until no client has done anything for some time.

    Idle time is counted in turns of the event loop, each of which reads what has arrived. A
    process that gets no CPU therefore does not take its own pause for idle clients.

    Args:
        activity: Counts of what clients do.
        idle_seconds: How long no request may arrive and no new connection may be pending.
        deadline: Time of the event loop at which the wait ends anyway.

    Returns:
        Whether clients became idle before the deadline.
    """
    loop = asyncio.get_running_loop()
    needed_ticks = math.ceil(idle_seconds / TICK_SECONDS)
    idle_ticks = 0
    while idle_ticks < needed_ticks:
        if loop.time() > deadline:
            return False
        requests = activity.requests
        await asyncio.sleep(TICK_SECONDS)
        is_idle = activity.requests == requests and activity.pending == 0
        idle_ticks = idle_ticks + 1 if is_idle else 0
    return True
