"""Settings of `train`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from pipeline.environment import Section


class TrainSettings(Section):
    folds: int = Field(default=5, ge=2)
    """Number of folds of the outer cross-validation, whose results are reported."""
    repeats: int = Field(default=1, ge=1)
    """Number of times the outer cross-validation is repeated with other folds."""
    selection_repeats: int = Field(default=2, ge=1)
    """Number of times the cross-validation that selects the candidate and the threshold is
    repeated with other folds, so that the choice depends less on one split."""
    threshold_purpose: Literal["cost", "recall", "capacity"] = "cost"
    """What the threshold is chosen for. `cost` weighs a missed positive row against a needless
    warning, `recall` finds a fraction of the positive rows, `capacity` flags a fraction of all
    rows. If it is not set, the one of `MISSED_COST`, `MIN_RECALL` and `CAPACITY` that is set
    chooses the purpose. The default depends least on how the rows were split."""
    missed_cost: float | None = Field(default=None, gt=0)
    """Cost of a missed positive row, in needless warnings, if the purpose of the threshold is
    `cost`. With N, every row with a probability of at least 1/(N + 1) is flagged. Empty for the
    number of negative rows per positive row: then no row with a risk below average is flagged."""
    min_recall: float = Field(default=0.8, gt=0, le=1)
    """Out-of-fold recall of the positive class that the threshold is chosen to reach if its purpose
    is `recall`."""
    capacity: float = Field(default=0.3, gt=0, le=1)
    """Fraction of the rows that can be flagged if the purpose of the threshold is `capacity`."""
    sample_rows: int = Field(default=20_000, gt=0)
    """Largest number of rows that the candidates learn from, in the cross-validation and finally;
    more are sampled, stratified. Of a larger table, histogram boosting also learns from all rows,
    and replaces the selected candidate if it ranks the validation split better."""
    max_rows: int = Field(default=10_000_000, gt=0)
    """Largest number of rows that histogram boosting learns from; more are sampled, stratified."""
    max_cells: int = Field(default=4_000_000, gt=0)
    """Largest number of cells (rows times columns; a category without an order has a column per
    value) on which the candidates are compared, over all repetitions. With more, they are compared
    once, on a stratified sample. The selected candidate is still fitted on all rows; a fifth of
    them is held out to calibrate it, instead of each fifth in turn, and it is refitted fewer times.
    So a training of 100 columns takes minutes."""
    max_refits_mib: int = Field(default=4, ge=0)
    """Largest size of the refits in a bundle, in MiB; larger ones are left out, and the predictor
    does not report how stable a label is. It needs up to 8 times as much memory for the refits of
    each model that it has loaded."""

    lightgbm: bool = False
    """Whether there is a candidate of LightGBM, an optional package. `uv sync --frozen --inexact
    --group lightgbm` installs it; an image has it with the build argument EXTRA_GROUPS=lightgbm."""

    @model_validator(mode="before")
    @classmethod
    def _infer_purpose(cls, values: Any) -> Any:
        """Take the purpose of the threshold from the number that was set, if it is not set itself.

        Settings and reports of earlier releases have only `min_recall`.
        """
        if not isinstance(values, Mapping) or "threshold_purpose" in values:
            return values
        numbers = {"min_recall": "recall", "missed_cost": "cost", "capacity": "capacity"}
        purposes = [purpose for name, purpose in numbers.items() if name in values]
        if len(purposes) > 1:
            raise ValueError(
                f"the threshold cannot be chosen for {' and '.join(purposes)}: set "
                "MLOPS_TRAIN__THRESHOLD_PURPOSE to one of them"
            )
        return {**values, "threshold_purpose": purposes[0]} if purposes else values
