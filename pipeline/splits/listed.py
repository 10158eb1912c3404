"""Split a small table: the split of each row is listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.column_file.checks import SPLIT_UNIT
from pipeline.column_file.roles import Time
from pipeline.columns import LABEL
from pipeline.errors import DataError
from pipeline.model.units import assign_units
from pipeline.settings.data import FeaturesSettings
from pipeline.splits.rules import LEFT_OUT, TEST, TRAIN, VALIDATION, PlaceArray
from pipeline.splits.terms import find_newest_terms, has_several_terms

if TYPE_CHECKING:
    import pandas as pd

MIN_ROWS_PER_CLASS = 2
"""Rows of each class that a split needs: both classes are trained on and measured."""


def list_places(
    rows: pd.DataFrame, settings: FeaturesSettings, seed: int, time: Time | None = None
) -> PlaceArray:
    """Split rows into disjoint sets with the same fraction of positive rows.

    Args:
        rows: The label, the column of `time`, and SPLIT_UNIT if rows stay together, with a
            RangeIndex.
        settings: Fractions of the splits.
        seed: Seed of the split; equal seeds give equal splits.
        time: The column with the terms. The test split is then the newest term, or the newest days
            that have the fraction of the rows. The validation split is the newest of the other
            terms, unless rows have units: then it is random, because leaving out the older rows of
            its units would cost rows to train on.

    Returns:
        The split of each row, shape (n_rows,).

    Raises:
        DataError: If there are too few rows of a class, or all rows are of the same term.
    """
    fraction = settings.validation_fraction / (1 - settings.test_fraction)
    if time:
        rest, test = _split_newest(rows, time, settings.test_fraction)
    else:
        rest, test = _split_off(rows, settings.test_fraction, seed)
    if time and SPLIT_UNIT not in rows and has_several_terms(_count_terms(rest, time), time):
        train, validation = _split_newest(rest, time, fraction)
    else:
        train, validation = _split_off(rest, fraction, seed)
    places = np.full(len(rows), LEFT_OUT, dtype=np.int8)
    for place, frame in ((TRAIN, train), (VALIDATION, validation), (TEST, test)):
        places[frame.index] = place
    return places


def _count_terms(frame: pd.DataFrame, time: Time) -> dict[str, int]:
    return {str(term): int(n) for term, n in frame[time.name].value_counts(sort=False).items()}


def _split_newest(
    frame: pd.DataFrame, time: Time, fraction: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split off the newest term, or the newest days with a fraction of the rows.

    Older rows of the units of the newest rows are in neither part.
    """
    is_new = frame[time.name].isin(find_newest_terms(_count_terms(frame, time), time, fraction))
    is_old = ~is_new
    if SPLIT_UNIT in frame:
        is_old &= ~frame[SPLIT_UNIT].isin(frame.loc[is_new, SPLIT_UNIT])
    return frame[is_old], frame[is_new]


def _split_off(
    frame: pd.DataFrame, fraction: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split off a random fraction of the rows, stratified by the label."""
    from sklearn.model_selection import train_test_split

    labels = frame[LABEL.name].to_numpy()
    positives = int(labels.sum())
    if min(positives, labels.size - positives) < MIN_ROWS_PER_CLASS:
        raise DataError(
            f"{len(frame):,} rows ({positives:,} {LABEL.positive}) are too few to split; collect "
            f"at least {3 * MIN_ROWS_PER_CLASS} of each class"
        )
    is_cut = np.zeros(labels.size, dtype=bool)
    if SPLIT_UNIT in frame:
        units = frame[SPLIT_UNIT].to_numpy()
        is_cut = assign_units(labels, units, (1 - fraction, fraction), seed) == 1
    else:
        is_cut[
            train_test_split(
                np.arange(labels.size), test_size=fraction, random_state=seed, stratify=labels
            )[1]
        ] = True
    return frame[~is_cut], frame[is_cut]
