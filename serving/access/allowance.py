"""An allowance per minute, as a token bucket."""

from __future__ import annotations


class Allowance:
    """Grants so many units per minute, all at once or spread out.

    The level may become negative: a list whose length is unknown until it ends is finished, and
    the rows above the allowance are taken from the next minutes.

    Args:
        per_minute: Units per minute, and the most that are saved up.
        now: Current time in seconds, of a clock that never goes back.
    """

    def __init__(self, per_minute: int, now: float) -> None:
        self.per_minute = per_minute
        self._level = float(per_minute)
        self._updated = now

    def get_wait_seconds(self, now: float) -> float:
        """Return how long to wait until a unit is available; 0 if one is."""
        refill = (now - self._updated) * self.per_minute / 60
        self._level = min(self._level + refill, self.per_minute)
        self._updated = now
        return max(0.0, (1 - self._level) * 60 / self.per_minute)

    def spend(self, units: int) -> None:
        """Take units, more than are available too."""
        self._level -= units
