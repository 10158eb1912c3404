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


def test_calibration_error_ignores_the_prior_but_not_the_shape() -> None:
    """Probabilities trained on balanced classes are as good; overconfident ones are not."""
    random = np.random.default_rng(0)
    log_odds = random.normal(-3, 1.5, 20_000)
    labels = (random.random(20_000) < 1 / (1 + np.exp(-log_odds))).astype(np.int64)

    def error(shift: float, slope: float) -> float:
        probability = 1 / (1 + np.exp(-(slope * log_odds + shift)))
        return behavioral_checks.calibration_error(labels, probability)

    assert error(0, 1) < 0.01
    assert error(3, 1) == pytest.approx(error(0, 1), abs=1e-6)
    assert error(0, 4) > 0.03
    assert error(0, -1) > 0.08
