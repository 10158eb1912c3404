"""The calibration error passes honest probabilities and finds shifted, scaled and random ones."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.recalibration import calibration_error
from pipeline.gate_table import get_gate
from pipeline.types import FloatArray, IntArray

ROWS, RATE = 260, 0.05


def draw(seed: int, rows: int = ROWS, std: float = 1.0) -> tuple[FloatArray, IntArray]:
    """Log-odds of a model that knows the true risks, and labels; about 13 are positive."""
    random = np.random.default_rng(seed)
    log_odds = random.normal(np.log(RATE / (1 - RATE)) - 0.45 * std**2, std, rows)
    return log_odds, (random.random(rows) < to_probability(log_odds)).astype(np.int64)


def to_probability(log_odds: FloatArray) -> FloatArray:
    probability: FloatArray = 1 / (1 + np.exp(-log_odds))
    return probability


def passes(labels: IntArray, probability: FloatArray) -> bool:
    """Whether the probabilities pass the gate with its default bound."""
    gate = get_gate("max_calibration_error")
    assert gate is not None
    return gate.passes(calibration_error(labels, probability).low, gate.bound)


@pytest.mark.parametrize("std", [0.5, 1.2])
def test_honest_probabilities_pass(std: float) -> None:
    """With 13 positive rows, at least 95 % of models that know the true risks pass."""
    draws = [draw(seed, std=std) for seed in range(80)]
    passed = [passes(labels, to_probability(log_odds)) for log_odds, labels in draws]
    assert np.mean(passed) >= 0.95


@pytest.mark.parametrize(("shift", "slope"), [(3, 1), (-3, 1), (0, 3)])
def test_shifted_and_scaled_log_odds_fail(shift: float, slope: float) -> None:
    """Neither a shift nor a scale of the log-odds changes the ranking, but both change the risk."""
    for seed in range(15):
        log_odds, labels = draw(seed)
        assert not passes(labels, to_probability(shift + slope * log_odds))


def test_noise_fails() -> None:
    """Random probabilities fail, even if their mean is about the observed rate."""
    for seed in range(15):
        _, labels = draw(seed)
        assert not passes(labels, np.random.default_rng(seed).random(ROWS))
    _, labels = draw(0, rows=2_000)
    noise = np.random.default_rng(1).normal(np.log(RATE / (1 - RATE)) - 0.8, 1.5, 2_000)
    assert not passes(labels, to_probability(noise))


def test_the_error_is_that_of_the_recalibration() -> None:
    """With many rows, the estimate is the known error, and the interval is narrow around it."""
    log_odds, labels = draw(0, rows=100_000)
    honest = calibration_error(labels, to_probability(log_odds))
    assert honest.low == 0
    assert honest.high < 0.06
    shifted = calibration_error(labels, to_probability(log_odds + 1))
    known = (to_probability(log_odds + 1) - to_probability(log_odds)).mean() / labels.mean()
    assert shifted.low < known < shifted.high
    assert shifted.high - shifted.low < 0.2


def test_separated_classes_and_constant_probabilities_are_measured() -> None:
    """A constant rate is calibrated; certain and correct probabilities are no error either."""
    labels = (np.arange(ROWS) < 13).astype(np.int64)
    assert calibration_error(labels, np.full(ROWS, RATE)).low == 0
    assert passes(labels, np.where(labels == 1, 1.0, 0.0))
    assert not passes(labels, np.where(labels == 1, 0.0, 1.0))
