"""Behavioral checks on models that are formulas."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.columns import EXPECTATIONS, FEATURE_NAMES
from pipeline.evaluation import behavioral_checks
from pipeline.types import FloatArray
from tests.support.rows import ROWS

SLEEP, REVIEW = FEATURE_NAMES.index("sleep_hours"), FEATURE_NAMES.index("review_hours")


def step(rows: FloatArray) -> FloatArray:
    """A model that flags long sleep and short review, as in the survey."""
    return np.where((rows[:, SLEEP] > 6.05) | (rows[:, REVIEW] < 1.95), 0.9, 0.1)


@pytest.mark.parametrize(
    ("score", "low", "high"),
    [
        (step, 0.1, 1.0),
        (lambda rows: 1 - step(rows), -1.0, -0.1),
        (lambda rows: np.where(rows[:, SLEEP] > 6, 0.9, 0.1), 0.0, 0.0),
    ],
    ids=["both effects", "both reversed", "one effect"],
)
def test_the_expected_effect_is_the_smallest(
    score: behavioral_checks.Score, low: float, high: float
) -> None:
    """A single effect that the model has not learned is enough for a bad value."""
    effect = behavioral_checks.expected_effect(score, ROWS, EXPECTATIONS)
    assert effect is not None
    assert low <= effect <= high


def test_without_expectations_there_is_no_effect() -> None:
    """A data set may have no known effects."""
    assert behavioral_checks.expected_effect(step, ROWS, ()) is None


def test_rounding_flips_labels_only_near_a_recorded_value() -> None:
    """A split between recorded values flips no label; a split on one flips its rows."""
    assert behavioral_checks.rounding_flip_rate(step, ROWS, 0.5) == 0
    on_value = behavioral_checks.rounding_flip_rate(
        lambda rows: (rows[:, SLEEP] >= 5.0).astype(float), ROWS, 0.5
    )
    assert on_value == pytest.approx((ROWS[:, SLEEP] == 5.0).mean())
