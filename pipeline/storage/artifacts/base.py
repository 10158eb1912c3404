"""What every document is, and an estimate with its interval."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from pipeline.storage.lake import to_json_bytes


class Artifact(BaseModel):
    """A frozen JSON document; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def to_bytes(self) -> bytes:
        """Encode as JSON; equal documents give equal bytes."""
        return to_json_bytes(self.model_dump())


class Interval(Artifact):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"

    @property
    def signed(self) -> str:
        """The interval of a difference, with signs."""
        value, low, high = (round(end, 3) + 0.0 for end in (self.value, self.low, self.high))
        return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"  # + 0.0 turns -0.0 into 0.0
