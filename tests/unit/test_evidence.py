"""The evidence of a better ranking is an e-value: without a difference it rarely becomes large."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation import evidence
from pipeline.types import FloatArray


def draw_units(random: np.random.Generator, gain: float, shape: tuple[int, ...]) -> FloatArray:
    """Differences with a given mean and the worst skew: many small gains and a few large losses."""
    loss = 0.9
    rare = random.random(shape) < 0.1
    return np.where(rare, -loss, (gain + 0.1 * loss) / 0.9)


@pytest.mark.parametrize("margin", [0.0, 0.02])
def test_no_difference_is_rarely_taken_for_one(margin: float) -> None:
    """At the hypothesis, at most 1 in 20 years of weekly looks ever reaches 20."""
    random = np.random.default_rng(1)
    looks = draw_units(random, -margin, (2_000, 52, 13))
    growth = evidence.log_growth(looks, margin).cumsum(axis=1)
    values = evidence.e_value(growth)
    assert (values.max(axis=1) >= 20).mean() <= 0.05
    assert values[:, 0].mean() <= 1.1


def test_a_difference_is_found_at_every_size() -> None:
    """A large gain in few rows, and a small one in many, become large evidence."""
    random = np.random.default_rng(2)
    few = np.clip(random.normal(0.2, 0.2, 60), -1, 1)
    many = np.clip(random.normal(0.01, 0.05, 3_000), -1, 1)
    assert evidence.combine([few], 0.0) > 100
    assert evidence.combine([many], 0.0) > 100
    assert evidence.combine([-few], 0.0) < 0.5
    assert evidence.combine([np.zeros(900)], 0.02) > 20 > evidence.combine([np.zeros(900)], 0.0)


def test_looks_multiply_in_any_order() -> None:
    """Rows that arrive in several runs count as much as in one."""
    units = np.random.default_rng(3).uniform(-0.5, 0.7, 30)
    together = evidence.combine([units], 0.0)
    assert evidence.combine([units[20:], units[:7], units[7:20]], 0.0) == pytest.approx(together)
    assert evidence.combine([units, np.zeros(0)], 0.0) == together
    assert evidence.combine([], 0.0) == 1


def test_the_mean_of_the_units_is_the_difference_in_roc_auc() -> None:
    """Each row is in one unit; over all assignments of rows, the mean is that of all pairs."""
    labels = np.array([1, 1, 0, 0, 0, 0, 0])
    first = np.array([0.9, 0.4, 0.1, 0.2, 0.4, 0.5, 0.6])
    second = np.array([0.3, 0.2, 0.1, 0.2, 0.4, 0.5, 0.6])
    assert evidence.paired_differences(labels, first, second, seed=0).shape == (2,)
    means = [evidence.paired_differences(labels, first, second, s).mean() for s in range(600)]
    areas = [evidence.rank_correctly(scores[:2], scores[2:]) for scores in (first, second)]
    assert np.mean(means) == pytest.approx(areas[0] - areas[1], abs=0.02)
    assert evidence.paired_differences(labels, first, first, seed=0).tolist() == [0, 0]
    assert evidence.paired_differences(np.zeros(7, int), first, second, seed=0).size == 0


def test_large_data_makes_a_limited_number_of_units() -> None:
    """A unit then has several rows of each class."""
    random = np.random.default_rng(4)
    labels = (np.arange(9_000) % 3 == 0).astype(np.int64)
    units = evidence.paired_differences(labels, random.random(9_000), random.random(9_000), 0)
    assert units.size == evidence.MAX_UNITS
    assert np.abs(units).max() <= 1


def test_all_challenges_share_one_error_rate() -> None:
    """The corrections of all positions add up to 1."""
    total = sum(evidence.correction(number) for number in range(1, 10_001))
    assert 0.99 < total <= 1
