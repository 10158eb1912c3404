"""Results by group."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.columns import FEATURE_NAMES, FEATURES, Number
from pipeline.evaluation import groups
from pipeline.model.intervals import Z, wilson_interval
from pipeline.model.metrics import Predictions
from tests.support.rows import ROWS


def test_groups_divide_the_rows() -> None:
    """Every row is in exactly one group of each feature that has groups."""
    found = groups.find_groups(ROWS)
    for feature in FEATURES:
        masks = [mask for name, mask in found.items() if name.startswith(feature.name)]
        is_divided = not isinstance(feature, Number) or bool(feature.group_edges)
        assert (np.sum(masks, axis=0) == 1).all() if is_divided else not masks


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (3, 5), (15, 50), (50, 50)])
def test_the_interval_of_a_rate_is_wilsons(successes: int, trials: int) -> None:
    """Its ends are the rates that are exactly z standard deviations from the observed rate."""
    for end in wilson_interval(successes, trials):
        assert abs(successes / trials - end) == pytest.approx(
            Z * (end * (1 - end) / trials) ** 0.5, abs=1e-7
        )


def test_groups_with_few_positive_rows_are_left_out() -> None:
    """Five positive rows that are all missed are measured, unless six are required."""
    labels = np.zeros(100, dtype=np.int64)
    labels[:5] = 1
    predicted = np.zeros(100, dtype=bool)
    masks = {"first": np.arange(100) < 50}
    assert groups.lowest_group_recall(masks, labels, predicted, 6) is None
    lowest = groups.lowest_group_recall(masks, labels, predicted, 5)
    assert lowest is not None
    assert (lowest.group, lowest.rate.value) == ("first", 0)
    assert (lowest.rate.low, lowest.rate.high) == wilson_interval(0, 5)


def test_the_lowest_recall_is_that_of_the_lowest_upper_end() -> None:
    """A group that misses 20 of 50 is worse than one that misses 3 of 6, which may be chance."""
    labels = np.ones(56, dtype=np.int64)
    large = np.arange(56) < 50
    predicted = np.where(large, np.arange(56) >= 20, np.arange(56) >= 53)
    lowest = groups.lowest_group_recall({"small": ~large, "large": large}, labels, predicted, 5)
    assert lowest is not None
    assert lowest.group == "large"


def test_a_group_with_more_false_positives_is_found() -> None:
    """The gap is the group's false positive rate minus that of all rows, with its interval."""
    labels = np.zeros(200, dtype=np.int64)
    predicted = np.arange(200) < 40
    masks = {
        "flagged": np.arange(200) < 40,
        "spared": np.arange(200) >= 40,
        "tiny": np.arange(200) < 5,
    }
    highest = groups.group_false_positive_rate_gap(masks, labels, predicted)
    assert highest is not None
    assert highest.group == "flagged"
    assert highest.rate.value == pytest.approx(0.8)
    assert highest.rate.low == pytest.approx(wilson_interval(40, 40)[0] - 0.2)


def test_groups_are_measured_on_their_rows() -> None:
    """Counts and the mean probability of a group are those of its rows."""
    rows = ROWS[:60]
    labels = (np.arange(60) % 3 == 0).astype(np.int64)
    predictions = Predictions(np.linspace(0, 1, 60), 0.5)
    measured = {group.name: group for group in groups.measure_groups(rows, labels, predictions)}
    is_stem = rows[:, FEATURE_NAMES.index("course")] == 1
    stem = measured["course stem"]
    assert stem.rows == is_stem.sum()
    assert stem.positives == (is_stem & (labels == 1)).sum()
    assert stem.true_positives == (is_stem & (labels == 1) & predictions.positive).sum()
    assert stem.predicted_positive == (is_stem & predictions.positive).sum()
    assert stem.mean_probability == pytest.approx(predictions.probability[is_stem].mean())
