"""Checks and samples of training rows."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.model.training_data import TrainingData, check_class_counts, stratified_sample


@pytest.mark.parametrize(("value", "missing"), [(1, "'pass'"), (0, "'fail'")])
def test_a_missing_class_is_refused(value: int, missing: str) -> None:
    """The error names the missing class."""
    labels = np.full(50, value)
    with pytest.raises(DataError, match=f"None of the 50 training rows is labelled {missing}"):
        check_class_counts(labels, 5)


def test_too_few_rows_for_nested_folds_are_refused() -> None:
    """Five folds within five folds need seven rows of a class; the error says so."""
    labels = np.zeros(60, dtype=np.int64)
    labels[:6] = 1
    sentence = r"Only 6 of the 60 training rows are labelled 'fail'.*at least 7.*MLOPS_TRAIN__FOLDS"
    with pytest.raises(DataError, match=sentence):
        check_class_counts(labels, 5)
    labels[6] = 1
    check_class_counts(labels, 5)


def test_a_sample_is_stratified_and_bounded() -> None:
    """A sample keeps the fraction of positive rows and the order of the rows."""
    labels = (np.arange(1000) % 20 == 0).astype(np.int64)
    data = TrainingData(np.arange(1000, dtype=np.float32).reshape(-1, 1), labels)
    sample = stratified_sample(data, 200, seed=1)
    assert (sample.labels.size, sample.labels.sum()) == (200, 10)
    assert (np.diff(sample.rows[:, 0]) > 0).all()
    assert stratified_sample(data, 1000, seed=1) is data
