"""The search for the best short rule."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipeline.columns import FEATURE_NAMES
from pipeline.model.rules import Condition, Rule, find_best_rule
from pipeline.types import BoolArray
from tests.support.rows import ROWS

SLEEP, REVIEW = FEATURE_NAMES.index("sleep_hours"), FEATURE_NAMES.index("review_hours")
COURSE = FEATURE_NAMES.index("course")


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (
            Rule((Condition(SLEEP, ">=", 6.1), Condition(REVIEW, "<", 2)), "or"),
            "sleep_hours >= 6.1 or review_hours < 2",
        ),
        (
            Rule((Condition(COURSE, "is", 0), Condition(SLEEP, "<", 5)), "and"),
            "course is non_stem and sleep_hours < 5",
        ),
        (Rule((Condition(REVIEW, ">=", 3.5),)), "review_hours >= 3.5"),
    ],
    ids=["or", "and", "one condition"],
)
def test_a_planted_rule_is_found(rule: Rule, text: str) -> None:
    """It is found without error, and reads like a sentence."""
    labels = rule.predict(ROWS).astype(np.int64)
    found = find_best_rule(ROWS, labels)
    assert np.array_equal(found.predict(ROWS), labels == 1)
    assert str(found) == text


def test_a_rule_on_float32_rows_reads_the_same() -> None:
    """The number is the shortest one that rounds to the value."""
    rows = ROWS.astype(np.float32).astype(np.float64)
    labels = (ROWS[:, SLEEP] > 6).astype(np.int64)
    assert str(find_best_rule(rows, labels)) == "sleep_hours >= 6.1"


def test_no_rule_is_better() -> None:
    """With noisy labels, no pair of conditions has a higher balanced accuracy."""
    random = np.random.default_rng(3)
    rows = ROWS[:60]
    labels = (random.random(60) < 0.2 + 0.4 * (rows[:, SLEEP] > 6)).astype(np.int64)

    def balanced_accuracy(predicted: BoolArray) -> float:
        return float(predicted[labels == 1].mean() + 1 - predicted[labels == 0].mean()) / 2

    conditions = [
        condition.holds(rows) ^ negated
        for index in range(rows.shape[1])
        for value in np.unique(rows[:, index])
        for condition in [Condition(index, ">=", float(value))]
        for negated in (False, True)
    ]
    best = max(
        balanced_accuracy(joined)
        for a, b in itertools.combinations_with_replacement(conditions, 2)
        for joined in (a & b, a | b)
    )
    found = find_best_rule(rows, labels)
    assert balanced_accuracy(found.predict(rows)) == pytest.approx(best)
