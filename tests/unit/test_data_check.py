"""The data check finds what is planted, and nothing in a random table."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from pipeline.columns import FEATURE_NAMES, FEATURES, Category
from pipeline.data_check import measurements
from pipeline.data_check.check import check_data
from pipeline.data_check.page import page
from pipeline.data_check.report import DataCheck, Finding
from pipeline.data_check.sample_size import find_positives_needed
from pipeline.model.intervals import wilson_interval
from pipeline.settings import Settings
from pipeline.types import FloatArray, IntArray
from tests.support.rows import ROWS

SLEEP, AGE, REVIEW = map(FEATURE_NAMES.index, ("sleep_hours", "age", "review_hours"))
RANDOM = np.random.default_rng(1)
LABELS = (RANDOM.random(len(ROWS)) < 0.1 + 0.4 * (ROWS[:, SLEEP] > 6)).astype(np.int64)


def check(rows: FloatArray, labels: IntArray) -> DataCheck:
    return check_data(rows, labels, Settings(), "0" * 64)


def list_checks(found: DataCheck) -> set[str]:
    return {finding.check for finding in found.findings} - {"positives"}


def test_a_random_table_has_no_findings() -> None:
    """Neither the order nor a feature nor repeated rows are reported."""
    found = check(ROWS, LABELS)
    assert list_checks(found) == set()
    assert found.note is None


@pytest.mark.parametrize(
    ("findings", "expected"), [(0, "No finding"), (1, "1 thing to"), (2, "2 things to")]
)
def test_the_page_counts_the_findings(findings: int, expected: str) -> None:
    """It begins with their number."""
    found = Finding(check="leak", value=1, bound=1, sentence="A sentence")
    report = check(ROWS, LABELS).model_copy(update={"findings": [found] * findings})
    assert expected in page(report, "run-1").decode()


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (np.argsort(LABELS, kind="stable"), {"order_auc", "runs"}),
        (np.argsort(-LABELS, kind="stable"), {"order_auc", "runs"}),
        (
            np.roll(np.argsort(LABELS, kind="stable"), len(ROWS) // 2 + int(LABELS.sum()) // 2),
            {"runs"},
        ),
    ],
    ids=["at the end", "at the beginning", "in the middle"],
)
def test_a_label_that_depends_on_the_order(order: IntArray, expected: set[str]) -> None:
    """A trend is found by the row number's ROC AUC, a cluster in the middle by its runs only."""
    found = check(ROWS[order], LABELS[order])
    assert list_checks(found) == expected
    assert found.order is not None
    assert found.order.runs in (2, 3)


def test_the_number_of_runs_is_that_of_shuffled_labels() -> None:
    """Mean and p-value agree with labels in random orders."""
    shuffled = [RANDOM.permutation(LABELS) for _ in range(400)]
    orders = [measurements.check_order(labels) for labels in shuffled]
    mean = np.mean([order.runs for order in orders])
    assert orders[0].expected_runs == pytest.approx(mean, rel=0.02)
    for values in ([o.runs_p_value for o in orders], [o.p_value for o in orders]):
        assert np.mean(np.array(values) < 0.1) == pytest.approx(0.1, abs=0.05)


def test_repeated_rows_are_counted() -> None:
    """More than chance gives on such a grid are reported, and those of both labels."""
    rows, labels = np.vstack([ROWS, ROWS[:30]]), np.concatenate([LABELS, LABELS[:30]])
    labels[-10:] = 1 - labels[-10:]
    found = check(rows, labels)
    assert found.duplicates.repeated == 30
    assert found.duplicates.expected < 5
    assert found.duplicates.contradicting == 20
    assert list_checks(found) == {"duplicates", "contradicting"}


def test_rows_that_repeat_by_chance_are_not_reported() -> None:
    """On a coarse grid, most rows repeat."""
    coarse = np.round(ROWS / 20) * 20
    found = measurements.check_duplicates(coarse, LABELS, seed=1)
    assert found.repeated > 300
    assert found.expected == pytest.approx(found.repeated, abs=10)


def test_a_wide_table_is_numbered_without_overflow() -> None:
    """The product of the numbers of values exceeds 64 bits."""
    wide = RANDOM.random((50, 30))
    rows = np.vstack([wide, wide[:7]])
    assert measurements.check_duplicates(rows, np.zeros(57, dtype=np.int64), 1).repeated == 7


def test_a_constant_feature_and_one_that_knows_the_label() -> None:
    """Both are named."""
    rows = ROWS.copy()
    rows[:, AGE] = 30
    rows[:, SLEEP] = 5 + LABELS + RANDOM.normal(0, 0.1, len(rows))
    findings = {finding.check: finding for finding in check(rows, LABELS).findings}
    assert set(findings) - {"positives"} == {"constant", "leak"}
    assert "`age` has the same value in 100.0% of the rows" in findings["constant"].sentence
    assert "Without other features, `sleep_hours` ranks the rows" in findings["leak"].sentence


def test_labels_without_information_are_reported() -> None:
    """The p-value of the permutation test is uniform on such labels."""
    shuffled = [RANDOM.permutation(LABELS) for _ in range(60)]
    p_values = [measurements.check_null(ROWS, labels, 1).p_value for labels in shuffled]
    assert np.mean(np.array(p_values) <= 0.25) == pytest.approx(0.25, abs=0.2)
    unlearnable = shuffled[int(np.argmax(p_values))]
    assert "null" in list_checks(check(ROWS, unlearnable))


def test_each_fold_is_scored_by_the_other_folds() -> None:
    """As by scikit-learn's ridge regression, also with a constant feature that binary rounds."""
    rows, labels = ROWS[:399].copy(), LABELS[:399]
    rows[:, REVIEW] = 6.1
    fold_of = measurements.assign_folds(labels, np.random.default_rng(1))
    columns = [
        rows[:, [index]] == np.unique(rows[:, index])
        if isinstance(feature, Category)
        else StandardScaler().fit_transform(rows[:, [index]])
        for index, feature in enumerate(FEATURES)
    ]
    design = StandardScaler(with_std=False).fit_transform(np.hstack(columns))
    areas = []
    for fold in range(measurements.FOLDS):
        train, test = fold_of != fold, fold_of == fold
        ridge = Ridge(measurements.RIDGE * train.sum(), fit_intercept=False)
        ridge.fit(design[train], labels[train] - labels[train].mean())
        areas.append(roc_auc_score(labels[test], ridge.predict(design[test])))
    assert measurements.check_null(rows, labels, 1).auc == pytest.approx(np.mean(areas), abs=1e-9)


def test_the_positive_rows_needed_are_the_fewest() -> None:
    """One fewer gives a wider interval of the recall."""
    first, *_ = find_positives_needed(0.8, 0.8, 12, 19)
    for positives, is_enough in ((first.needed, True), (first.needed - 1, False)):
        low, high = wilson_interval(0.8 * positives, positives)
        assert ((high - low) / 2 <= first.half_width) == is_enough
