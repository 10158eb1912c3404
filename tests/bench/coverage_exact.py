"""Exact coverage of the interval of a difference in recall, for few positive rows."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pipeline.model.metrics import Predictions, paired_differences
from pipeline.types import FloatArray

POSITIVES, NEGATIVES = 13, 20
RECALLS = np.linspace(0.5, 0.95, 10)
CORRELATIONS = (-0.2, 0.0, 0.2, 0.5, 0.8, 0.9)
"""Of both models' answers on a positive row."""


def list_coverages() -> Iterator[float]:
    """Coverage for every pair of recalls and every correlation that is possible for it.

    The numbers of positive rows that both models, one of them or neither finds are multinomial, so
    every possible result is weighted by its probability.
    """
    counts = np.array(
        [
            (both, first, second, POSITIVES - both - first - second)
            for both in range(POSITIVES + 1)
            for first in range(POSITIVES + 1 - both)
            for second in range(POSITIVES + 1 - both - first)
        ]
    )
    ends = np.array([_measure(*row[:3].tolist()) for row in counts])
    factorials = np.array([math.lgamma(number + 1) for number in range(POSITIVES + 1)])
    ways = factorials[POSITIVES] - factorials[counts].sum(axis=1)
    for first in RECALLS:
        for second in RECALLS:
            for correlation in CORRELATIONS:
                rates = _get_rates(first, second, correlation)
                if rates.min() >= 0:
                    chances = np.exp(ways + counts @ np.log(np.maximum(rates, 1e-300)))
                    truth = first - second
                    covered = (ends[:, 0] - 1e-12 <= truth) & (truth <= ends[:, 1] + 1e-12)
                    yield float(chances[covered].sum())


def _measure(both: int, first: int, second: int) -> tuple[float, float]:
    """The interval if so many positive rows are found by both models, or by one of them only."""
    labels = np.repeat([1, 0], [POSITIVES, NEGATIVES])
    row = np.arange(labels.size)
    answers = (
        row < both + first,
        (row < both) | ((row >= both + first) & (row < both + first + second)),
    )
    interval = paired_differences(labels, *(Predictions(one.astype(float), 0.5) for one in answers))
    return interval["recall"].low, interval["recall"].high


def _get_rates(first: float, second: float, correlation: float) -> FloatArray:
    """Probability that both models, only the first, only the second, or neither finds a row."""
    covariance = correlation * math.sqrt(first * (1 - first) * second * (1 - second))
    both = first * second + covariance
    return np.array([both, first - both, second - both, 1 - first - second + both])
