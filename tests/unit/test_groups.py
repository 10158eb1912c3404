"""Results by group."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.columns import FEATURE_NAMES, FEATURES, LABEL, Number
from pipeline.evaluation import groups
from pipeline.evaluation.groups import GroupRows
from pipeline.model.intervals import Z, wilson_interval
from pipeline.types import BoolArray, IntArray
from tests.support.rows import ROWS


def test_groups_divide_the_rows() -> None:
    """Every row is in exactly one group of each feature that has groups."""
    found = groups.find_groups(pd.DataFrame(ROWS, columns=FEATURE_NAMES), FEATURES)
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


def make_rows(labels: IntArray, predicted: BoolArray, **masks: BoolArray) -> GroupRows:
    """Rows in groups, each with one prediction."""
    return GroupRows(masks, labels, predicted.astype(float), np.zeros(labels.size), "test rows")


def test_groups_with_few_positive_rows_are_left_out() -> None:
    """Five positive rows that are all missed are measured, unless six are required."""
    labels = (np.arange(100) < 5).astype(np.int64)
    rows = make_rows(labels, np.zeros(100, dtype=bool), first=np.arange(100) < 50)
    assert groups.find_lowest_recall(rows, 6) is None
    lowest = groups.find_lowest_recall(rows, 5)
    assert lowest is not None
    assert (lowest.group, lowest.rate.value) == ("first", 0)
    assert (lowest.rate.low, lowest.rate.high) == wilson_interval(0, 5)


def test_the_lowest_recall_is_that_of_the_lowest_upper_end() -> None:
    """A group that misses 20 of 50 is worse than one that misses 3 of 6, which may be chance."""
    labels = np.ones(56, dtype=np.int64)
    large = np.arange(56) < 50
    predicted = np.where(large, np.arange(56) >= 20, np.arange(56) >= 53)
    lowest = groups.find_lowest_recall(make_rows(labels, predicted, small=~large, large=large), 5)
    assert lowest is not None
    assert lowest.group == "large"


def test_a_group_with_more_false_positives_is_found() -> None:
    """The gap is the group's false positive rate minus that of all rows, with its interval.

    It is 0.8 of the gap between the group and the other 80 % of the rows.
    """
    place = np.arange(200)
    rows = make_rows(
        np.zeros(200, dtype=np.int64),
        place < 40,
        flagged=place < 40,
        spared=place >= 40,
        tiny=place < 5,
    )
    highest = groups.find_highest_false_positive_rate(rows)
    assert highest is not None
    assert highest.group == "flagged"
    assert highest.rate.value == pytest.approx(0.8)
    inside, outside = wilson_interval(40, 40), wilson_interval(0, 160)
    margin = ((1 - inside[0]) ** 2 + outside[1] ** 2) ** 0.5
    assert highest.rate.low == pytest.approx(0.8 * (1 - margin))
    assert highest.rate.high <= 0.8 + 1e-9


def test_a_group_of_all_rows_has_no_gap() -> None:
    """Without rows outside the group there is nothing to compare."""
    everyone = np.ones(50, dtype=bool)
    rows = make_rows(np.zeros(50, dtype=np.int64), everyone, everyone=everyone)
    assert groups.find_highest_false_positive_rate(rows) is None


def test_groups_are_measured_on_their_rows() -> None:
    """Counts, rates and the mean probability of a group are those of its rows."""
    labels = (np.arange(60) % 3 == 0).astype(np.int64)
    probability = np.linspace(0, 1, 60)
    predicted = probability >= 0.5
    frame = pd.DataFrame(ROWS[:60], columns=list(FEATURE_NAMES)).assign(**{LABEL.name: labels})
    rows = GroupRows.from_frame(frame, predicted.astype(float), probability, "test rows")
    measured = {group.name: group for group in groups.measure_groups(rows)}
    is_stem = ROWS[:60, FEATURE_NAMES.index("course")] == 1
    stem = measured["course stem"]
    assert stem.rows == is_stem.sum()
    assert stem.positives == (is_stem & (labels == 1)).sum()
    assert stem.mean_probability == pytest.approx(probability[is_stem].mean())
    for rate, among in ((stem.recall, labels == 1), (stem.false_positive_rate, labels == 0)):
        assert rate is not None
        assert rate.value == pytest.approx(predicted[is_stem & among].mean())
        expected = wilson_interval((predicted & is_stem & among).sum(), (is_stem & among).sum())
        assert (rate.low, rate.high) == pytest.approx(expected)


def test_a_group_without_positive_rows_has_no_recall() -> None:
    """Its other figures are measured."""
    everyone = np.ones(4, dtype=bool)
    rows = make_rows(np.zeros(4, dtype=np.int64), ~everyone, everyone=everyone)
    (measured,) = groups.measure_groups(rows)
    assert measured.recall is None
    assert measured.false_positive_rate is not None
