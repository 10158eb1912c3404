"""How well probabilities agree with what happened: bins of rows, and a sentence about the top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.columns import LABEL, SUBJECTS
from pipeline.model.intervals import wilson_interval
from pipeline.types import FloatArray, IntArray

BINS = 5
"""Bins of the calibration plot. With few positive rows, more bins would show noise."""
TOP_FRACTION = 0.1
"""Fraction of the rows, those with the highest probabilities, that the sentence is about."""


@dataclass(frozen=True)
class Bin:
    """Rows with similar probabilities.

    Attributes:
        rows: Number of rows.
        positives: Number of positive rows.
        predicted: Mean predicted probability.
        low: Lower end of the 95 % interval of the observed rate.
        high: Upper end of that interval.
    """

    rows: int
    positives: int
    predicted: float
    low: float
    high: float

    @property
    def observed(self) -> float:
        """Observed rate of positive rows."""
        return self.positives / self.rows


def make_bins(labels: IntArray, probability: FloatArray) -> list[Bin]:
    """Divide rows into BINS bins of about the same size, by ascending probability.

    Args:
        labels: 1 for the positive class, shape (n_rows,).
        probability: Predicted probabilities, shape (n_rows,).

    Returns:
        The bins that have rows, by ascending probability.
    """
    order = np.argsort(probability, kind="stable")
    return [
        _make_bin(labels[rows], probability[rows])
        for rows in np.array_split(order, BINS)
        if rows.size
    ]


def describe_top(name: str, labels: IntArray, probability: FloatArray) -> str:
    """Compare prediction and outcome of the rows with the highest probabilities.

    Args:
        name: What the rows are, such as `test rows`.
        labels: 1 for the positive class, shape (n_rows,).
        probability: Predicted probabilities, shape (n_rows,).

    Returns:
        Two sentences: the comparison, and a verdict.
    """
    count = max(1, round(TOP_FRACTION * labels.size))
    rows = np.argsort(probability, kind="stable")[-count:]
    top = _make_bin(labels[rows], probability[rows])
    if top.low <= top.predicted <= top.high:
        verdict = "The difference is within chance."
    elif top.predicted > top.high:
        verdict = "The highest probabilities are too high."
    else:
        verdict = "The highest probabilities are too low."
    return (
        f"Of the {count:,} {name} with the highest probabilities, {top.predicted:.0%} were "
        f"predicted to be `{LABEL.positive}` and {top.observed:.0%} were ({top.positives} "
        f"{SUBJECTS}; 95 % interval {top.low:.0%} to {top.high:.0%}). {verdict}"
    )


def _make_bin(labels: IntArray, probability: FloatArray) -> Bin:
    positives = int(labels.sum())
    low, high = wilson_interval(positives, labels.size)
    return Bin(labels.size, positives, float(probability.mean()), low, high)
