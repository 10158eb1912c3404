"""Rows to train a model on or to measure it with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.column_file.checks import SPLIT_UNIT
from pipeline.columns import LABEL
from pipeline.errors import DataError
from pipeline.model.arrays import feature_array, label_array
from pipeline.model.units import count_class
from pipeline.storage.artifacts.data import PartFacts
from pipeline.storage.lake import Lake
from pipeline.storage.samples import find_sample, read_sample
from pipeline.types import Float32Array, IntArray

if TYPE_CHECKING:
    import pandas as pd


class TrainingData(NamedTuple):
    """Features and labels of the same rows.

    Attributes:
        rows: Features in the order of columns.FEATURES, shape (n_rows, n_features). They are
            float32 like the input of the ONNX graph, so that training and serving see the same
            numbers.
        labels: 1 for the positive class, shape (n_rows,).
        units: Number of each row's unit, shape (n_rows,); see units.py. None if every row can be
            split off from the others.
        numbers: Number of each row in its split of gold, shape (n_rows,); None if these are all
            rows, in their order.
    """

    rows: Float32Array
    labels: IntArray
    units: IntArray | None = None
    numbers: IntArray | None = None

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> TrainingData:
        """Features and labels of a gold or silver frame."""
        units = frame[SPLIT_UNIT].to_numpy(np.int64) if SPLIT_UNIT in frame else None
        return cls(feature_array(frame, np.float32), label_array(frame), units)

    def take(self, indices: IntArray) -> TrainingData:
        """Return the rows at these indices."""
        units = None if self.units is None else self.units[indices]
        numbers = None if self.numbers is None else self.numbers[indices]
        return TrainingData(self.rows[indices], self.labels[indices], units, numbers)


def read_training_data(
    lake: Lake, parts: Sequence[PartFacts], max_rows: int, seed: int
) -> TrainingData:
    """Read a split of gold part by part.

    Args:
        lake: The lake.
        parts: The parts of the split.
        max_rows: Largest number of rows; of a larger split, a sample stratified by the label is
            read, which does not depend on the parts.
        seed: Seed of the sample.

    Raises:
        LakeError: If a part is missing or was modified.
        DataError: If a part has other columns than the columns file.
    """
    sample = find_sample(lake, parts, max_rows, seed)
    pieces = []
    for read in read_sample(lake, parts, sample):
        piece = TrainingData.from_frame(read.table.to_pandas())
        pieces.append(piece if sample is None else piece._replace(numbers=read.numbers))
    return join(pieces)


def join(pieces: Sequence[TrainingData]) -> TrainingData:
    """Return the rows of consecutive pieces of a split."""
    if len(pieces) == 1:
        return pieces[0]

    def join_if_known(arrays: list[IntArray | None]) -> IntArray | None:
        known = [array for array in arrays if array is not None]
        return np.concatenate(known) if known else None

    return TrainingData(
        np.concatenate([piece.rows for piece in pieces]),
        np.concatenate([piece.labels for piece in pieces]),
        join_if_known([piece.units for piece in pieces]),
        join_if_known([piece.numbers for piece in pieces]),
    )


def concatenate(first: TrainingData, second: TrainingData) -> TrainingData:
    """Return the rows of two splits, `first` on top, without their numbers."""
    return join([split._replace(numbers=None) for split in (first, second)])


def stratified_sample(data: TrainingData, max_rows: int, seed: int) -> TrainingData:
    """Sample at most `max_rows` rows, stratified by label, in their original order.

    Args:
        data: Rows to sample from; returned unchanged if there are few enough.
        max_rows: Upper bound on the rows of the sample.
        seed: Seed of the sampling.

    Returns:
        The sample; all rows if there are no more than `max_rows`.
    """
    if data.labels.size <= max_rows:
        return data
    return data.take(sample_indices(data.labels, max_rows, seed))


def sample_indices(labels: IntArray, max_rows: int, seed: int) -> IntArray:
    """Return the indices of the rows that `stratified_sample` samples, ascending.

    Args:
        labels: 1 for the positive class, shape (n_rows,).
        max_rows: Upper bound on the rows of the sample.
        seed: Seed of the sampling.

    Returns:
        Indices, shape (n_sampled,).
    """
    indices: IntArray = np.arange(labels.size)
    if labels.size <= max_rows:
        return indices
    from sklearn.model_selection import train_test_split

    kept: IntArray = train_test_split(  # which requires a row of each class that is left out
        indices, train_size=min(max_rows, labels.size - 2), random_state=seed, stratify=labels
    )[0]
    return np.sort(kept)


def check_class_counts(labels: IntArray, folds: int, units: IntArray | None = None) -> None:
    """Check that both classes have enough rows for nested cross-validation.

    Args:
        labels: 1 for the positive class, shape (n_rows,).
        folds: Number of outer folds, and of inner folds within each.
        units: Number of each row's unit, shape (n_rows,). With units, a class needs rows in as many
            of them.

    Raises:
        DataError: If a class is missing or has too few rows.
    """
    for value, name in ((1, LABEL.positive), (0, LABEL.negative)):
        count = count_class(labels, units, value)
        if count == 0:
            raise DataError(
                f"None of the {labels.size:,} training rows is labelled '{name}'. "
                "A model needs rows of both classes."
            )
        if not _fill_nested_folds(count, folds):
            required = next(
                enough
                for enough in range(count, labels.size + folds * 3)
                if _fill_nested_folds(enough, folds)
            )
            found = f"{labels.size:,} training rows are labelled"
            if units is not None:
                count_units = np.unique(units).size
                found = f"{count_units:,} groups of rows that stay together have the label"
            raise DataError(
                f"Only {count} of the {found} '{name}'. "
                f"{folds} folds within {folds} folds need at least {required}. "
                "Collect more rows, or lower MLOPS_TRAIN__FOLDS."
            )


def _fill_nested_folds(count: int, folds: int) -> bool:
    """Whether every inner fold gets a row when the largest outer fold of `count` is held out."""
    largest_fold = -(-count // folds)
    return count - largest_fold >= folds
