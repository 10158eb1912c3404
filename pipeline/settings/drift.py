"""Settings of the drift check."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from pipeline.environment import Section


def _parse_pairs(value: Any) -> Any:
    """Parse `a=1,b=2` into a dictionary; return anything but text unchanged."""
    if not isinstance(value, str):
        return value
    pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
    return {name.strip(): number.strip() for name, _, number in pairs}


class DriftSettings(Section):
    window_hours: float = Field(default=24, gt=0)
    """Length of the window of recent live traffic that is compared with the training data."""
    live_retention_days: int = Field(default=90, ge=0)
    """Days after which `retain` deletes logged live traffic; 0 keeps it."""
    min_rows: int = Field(default=200, ge=1)
    """Fewest rows of training data, and of live traffic, that a verdict needs."""
    max_false_positive_rate: float = Field(default=0.002, gt=0, le=0.1)
    """Largest probability that a check of rows without drift reports drift."""
    numeric_method: Literal["ks", "wasserstein", "jensenshannon", "evidently"] = "ks"
    """Method that compares numeric features. `evidently` chooses as Evidently does, by the number
    of reference rows."""
    categorical_method: Literal["chisquare_2samp", "chisquare", "jensenshannon", "evidently"] = (
        "chisquare_2samp"
    )
    """Method that compares categorical features. `chisquare` is Evidently's test, which treats the
    frequencies of the reference as exact."""
    min_effect: float = Field(default=0.02, ge=0, lt=1)
    """A feature compared by a test drifts only if the fraction of rows with certain values changes
    by at least this."""
    distance_threshold: float = Field(default=0.1, gt=0)
    """A feature compared by a distance drifts if the distance is at least this."""
    thresholds: Annotated[dict[str, float], BeforeValidator(_parse_pairs)] = Field(default={})
    """Thresholds of single features: `age=0.0001,course=0.2`. Each of these features is
    judged separately: its p-value is not adjusted, and the test of all features together leaves it
    out."""
    cooldown_hours: float = Field(default=12, ge=0)
    """Shortest time between two requests for retraining."""
    max_retrainings_per_day: int = Field(default=2, ge=0)
    """Largest number of requests for retraining per day (UTC); 0 disables them."""
    max_rows: int = Field(default=1_000_000, gt=0)
    """Largest number of rows read from the window; with more, logged objects are chosen at
    random."""
    max_evidently_rows: int = Field(default=50_000, ge=1_000)
    """Largest number of rows per side that Evidently scores. With more, the pipeline computes the
    scores itself, from sorted counts, and Evidently's page shows a sample."""
    report_sample_rows: int = Field(default=5_000, ge=1_000)
    """Number of rows per side in that sample."""
