"""Results of gates, which reports, manifests and promotion records contain."""

from __future__ import annotations

from pydantic import AliasChoices, Field

from pipeline.storage.artifacts.base import Artifact


class Power(Artifact):
    """What a gate's verdict can show with the rows at hand; see evaluation/power.py."""

    refuse_good: float
    """Probability that a good model fails."""
    accept_bad: float
    """Probability that a bad model passes."""
    smallest_gain: float | None = None
    """Smallest distance above the bound at which a model passes with a probability of 80 %; 1 if
    there is none. None if the gate compares an upper end."""
    smallest_loss: float | None = None
    """Smallest distance below the bound at which a model fails with a probability of 80 %; 1 if
    there is none. None unless the gate compares an upper end."""


class GateResult(Artifact):
    """A gate with its value, which must be at least (`min_...`) or at most (`max_...`) `bound`.

    Manifests and promotion records of earlier releases have `why` and `holds`.
    """

    name: str
    bound: float
    reason: str = Field(validation_alias=AliasChoices("reason", "why"))
    value: float | None
    """None if there was nothing to measure; the gate then passes."""
    passed: bool = Field(validation_alias=AliasChoices("passed", "holds"))
    power: Power | None = Field(default=None, exclude_if=lambda power: power is None)
    """None, and not in JSON, if the gate's number has no sampling error or its power is unknown."""
