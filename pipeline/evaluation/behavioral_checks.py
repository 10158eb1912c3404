"""Checks of a model's behavior that averages over the test rows do not show.

Invariance and directional tests follow Ribeiro et al., Beyond Accuracy: Behavioral Testing of NLP
Models with CheckList (ACL 2020), applied to tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.columns import FEATURE_NAMES, FEATURES, Expectation, Number
from pipeline.model.decision import is_positive
from pipeline.types import FloatArray

Score = Callable[[FloatArray], FloatArray]
"""Features, shape (n_rows, n_features) -> probability of the positive class, shape (n_rows,)."""

ROUNDING = 0.4
"""Fraction of a number's resolution by which `rounding_flip_rate` moves it."""


def expected_effect(
    score: Score, features: FloatArray, expectations: Sequence[Expectation]
) -> float | None:
    """Measure whether a model has learned known effects in the right direction.

    Args:
        score: The model.
        features: Rows, shape (n_rows, n_features).
        expectations: Features with a safe and a risky value.

    Returns:
        The mean rise in probability when a feature changes from its safe to its risky value in
        every row, the smallest over the expectations; None if there are no expectations.
    """
    effects = []
    for expectation in expectations:
        index = FEATURE_NAMES.index(expectation.feature)
        safe, risky = features.copy(), features.copy()
        safe[:, index], risky[:, index] = expectation.safe, expectation.risky
        effects.append(float((score(risky) - score(safe)).mean()))
    return min(effects, default=None)


def rounding_flip_rate(score: Score, features: FloatArray, threshold: float) -> float:
    """Measure how many labels depend on rounding.

    Args:
        score: The model.
        features: Rows, shape (n_rows, n_features).
        threshold: The model's threshold.

    Returns:
        The fraction of rows whose label changes when one number moves by 0.4 of its resolution,
        and so would be recorded as the same value.
    """
    labels = is_positive(score(features), threshold)
    flipped = np.zeros(len(features), dtype=bool)
    for index, feature in enumerate(FEATURES):
        if isinstance(feature, Number) and not feature.is_integer:
            for shift in (-ROUNDING * feature.step, ROUNDING * feature.step):
                moved = features.copy()
                moved[:, index] = np.clip(moved[:, index] + shift, feature.low, feature.high)
                flipped |= is_positive(score(moved), threshold) != labels
    return float(flipped.mean())
