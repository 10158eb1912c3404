"""What a bundle stores of the training rows: aggregates, and no row of a person."""

from __future__ import annotations

import numpy as np

from pipeline.columns import FEATURE_NAMES, FEATURES, Category, Number
from pipeline.model import export
from pipeline.model.aggregation import MIN_ROWS, aggregate_rows, find_range
from pipeline.model.metrics import Predictions
from pipeline.model.training_data import TrainingData
from tests.support.forest import ROWS, generate_rows

AGE = FEATURE_NAMES.index("age")
COURSE = FEATURE_NAMES.index("course")


def test_the_background_has_no_row_of_a_person() -> None:
    """No row of the training data is in it, nor a value that only one row has."""
    rows = generate_rows(ROWS).rows.copy()
    rows[:20, AGE] = 30 + np.arange(20) / 1024  # exact in float32
    stored = export.make_background(rows, seed=1)
    background = np.array(stored, np.float32)
    assert len(background) == export.BACKGROUND_ROWS
    assert not {tuple(row) for row in rows.tolist()} & {tuple(row) for row in background.tolist()}
    assert not set(rows[:20, AGE].tolist()) & set(background[:, AGE].tolist())
    assert export.make_background(rows, seed=1) == stored


def test_aggregates_describe_the_rows() -> None:
    """Means and frequencies are those of the rows; numbers vary little less."""
    rows = generate_rows(2_000).rows
    background = aggregate_rows(rows, 400, seed=1)
    for index, feature in enumerate(FEATURES):
        before, after = rows[:, index], background[:, index]
        if isinstance(feature, Category):
            assert set(after.tolist()) <= set(before.tolist())
            assert abs(before.mean() - after.mean()) < 0.06
        else:
            assert np.isclose(before.mean(), after.mean(), rtol=1e-3)
            assert 0.9 < after.std() / before.std() <= 1


def test_the_next_row_is_any_other_row() -> None:
    """Successive rows differ as much as random pairs do, so that an importance is not too small."""
    background = aggregate_rows(generate_rows(2_000).rows, 100, seed=1)
    for feature, values in zip(FEATURES, background.T, strict=True):
        if isinstance(feature, Number):
            successive = np.abs(values - np.roll(values, -1)).mean()
            every = np.abs(values[:, None] - values[None, :]).mean()
            assert successive > 0.8 * every


def test_few_rows_make_few_groups() -> None:
    """A group has at least MIN_ROWS rows, and one group has all of them if there are fewer."""
    rows = generate_rows(MIN_ROWS * 3 + 1).rows
    assert len(aggregate_rows(rows, 100, seed=1)) == 3
    (mean,) = aggregate_rows(rows[:2], 100, seed=1)
    assert np.isclose(mean[AGE], rows[:2, AGE].mean())


def test_blanks_stay_blanks() -> None:
    """A value is blank if most of its group's are; the others do not change a mean."""
    rows = generate_rows(MIN_ROWS).rows.copy()
    rows[: MIN_ROWS // 2 + 1, AGE] = np.nan
    rows[0, COURSE] = np.nan
    (row,) = aggregate_rows(rows, 1, seed=1)
    assert np.isnan(row[AGE])
    assert row[COURSE] in rows[1:, COURSE]
    rows[0, AGE] = 40
    (row,) = aggregate_rows(rows, 1, seed=1)
    assert np.isclose(row[AGE], np.nanmean(rows[:, AGE]))


def test_a_range_is_not_that_of_an_outlier() -> None:
    """An end is the mean of the outermost rows, on the grid of the feature."""
    age = FEATURES[AGE]
    assert isinstance(age, Number)
    values = np.array([24] * 5 + [30.125] * 10 + [50] * 4 + [54.875], np.float32)
    assert find_range(age, values) == (24, 51)
    assert find_range(age, values[:4]) == age.typical
    data = generate_rows(ROWS)
    rows = data.rows.copy()
    rows[0, AGE] = 99
    changed = TrainingData(rows, data.labels)
    facts = export.describe_training(changed, 0.5, Predictions(np.zeros(ROWS), 0.5))
    assert facts.values["age"][1] < 99


def test_examples_are_of_nobody() -> None:
    """They do not depend on the training rows."""
    drawn = export.make_random_rows(1000, seed=1)
    assert drawn.tolist() == export.make_random_rows(1000, seed=1).tolist()
    assert set(drawn[:, COURSE].tolist()) == {0, 1}
