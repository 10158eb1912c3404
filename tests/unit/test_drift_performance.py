"""The expected performance on rows without labels."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.drift import performance
from pipeline.drift.performance import estimate_performance
from pipeline.storage.artifacts.base import Interval
from pipeline.types import FloatArray

PROBABILITY = np.array([0.02, 0.03, 0.03, 0.05, 0.08, 0.08, 0.12, 0.2, 0.2, 0.31, 0.45, 0.7])
THRESHOLD = 0.2
NANNYML = {"recall": 0.8193832599118942, "precision": 0.372, "roc_auc": 0.8253030049214247}
"""CBPE of NannyML 0.13.1 on PROBABILITY, twenty times over; tests/bench/nannyml."""


def estimate(
    probability: FloatArray, calibrated_on: FloatArray | None = None, seed: int = 1
) -> dict[str, Interval]:
    on = np.resize(PROBABILITY, 600) if calibrated_on is None else calibrated_on
    return estimate_performance(probability, THRESHOLD, on, seed)


def width(interval: Interval) -> float:
    return interval.high - interval.low


def test_equal_to_nannyml() -> None:
    """The expected values are those that NannyML computes, and a mean for the positive rate."""
    found = estimate(np.tile(PROBABILITY, 20))
    values = {name: interval.value for name, interval in found.items()}
    assert values.pop("positive_rate") == pytest.approx(PROBABILITY.mean(), abs=1e-12)
    assert values == pytest.approx(NANNYML, abs=1e-6)


def test_undefined_metrics_are_missing() -> None:
    """Without a row that is predicted positive, nothing can be said about the precision."""
    assert estimate(np.full(300, 0.1)).keys() == {"recall", "positive_rate", "roc_auc"}


def test_no_simulated_positive() -> None:
    """If the labels hardly ever have a positive row, the recall is between 0 and 1."""
    recall = estimate(np.full(5, 1e-9))["recall"]
    assert (recall.low, recall.high) == (0, 1)


def test_intervals_contain_what_the_labels_give() -> None:
    """With right probabilities, the realised values are inside in about 95 % of the windows."""
    random, calibrated_on = np.random.default_rng(2), np.resize(PROBABILITY, 20_000)
    inside = []
    for seed in range(60):
        probability = random.choice(PROBABILITY, 300)
        found = estimate(probability, calibrated_on, seed)
        labels = random.random(300) < probability
        predicted = probability >= THRESHOLD
        real = {
            "recall": predicted[labels].mean(),
            "precision": labels[predicted].mean(),
            "positive_rate": labels.mean(),
        }
        inside += [found[name].low <= value <= found[name].high for name, value in real.items()]
    assert 0.9 <= np.mean(inside) <= 0.99


def test_few_calibrated_rows_make_wide_intervals() -> None:
    """The error of the calibration is part of the interval: 60 rows say less than 60,000."""
    few, many = (
        estimate(np.resize(PROBABILITY, 3_000), np.resize(PROBABILITY, rows))
        for rows in (60, 60_000)
    )
    for name, interval in many.items():
        assert few[name].value == interval.value
        assert width(few[name]) > 1.5 * width(interval)


def test_many_rows_are_grouped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of similar rows keep the expected values, and the intervals but for chance."""
    probability = np.random.default_rng(3).beta(1, 8, 2_000)
    grouped = estimate(probability)
    monkeypatch.setattr(performance, "MAX_GROUPS", probability.size)
    for name, interval in estimate(probability).items():
        assert grouped[name].value == interval.value
        assert (grouped[name].low, grouped[name].high) == pytest.approx(
            (interval.low, interval.high), abs=0.15 * width(interval)
        )


def test_same_seed_same_intervals() -> None:
    """A check that is repeated gives the same intervals."""
    assert estimate(PROBABILITY) == estimate(PROBABILITY)
    assert estimate(PROBABILITY) != estimate(PROBABILITY, seed=2)


def test_the_caller_s_rows_are_unchanged() -> None:
    """Estimating sorts copies."""
    rows = PROBABILITY[::-1].copy()
    estimate(rows, rows)
    assert (rows == PROBABILITY[::-1]).all()
