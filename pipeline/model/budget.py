"""Bound the work of a training by the number of cells: rows times the columns that trees see.

The time of a fit grows with both. A small table is cross-validated with all its rows, several
times. The error of a comparison falls with the square root of the rows, so a large table needs
neither all rows nor repetitions to find the better candidate. The selected candidate is fitted on
all rows in any case.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.columns import FEATURES, Category, Feature
from pipeline.model.encoding import is_nominal
from pipeline.model.training_data import TrainingData, stratified_sample
from pipeline.model.units import count_rarer_class
from pipeline.settings.training import TrainSettings

MIN_ROWS = 2_000
"""Fewest rows that candidates are compared on, however many columns they have."""
MIN_RARER_CLASS = 100
"""Fewest of these rows that are of the rarer class, if there are so many: the error of a ROC AUC
depends on their number most."""


def count_columns(features: Sequence[Feature]) -> int:
    """Count the columns that trees see: a category without an order has one per code."""
    return sum(
        len(feature.codes) if isinstance(feature, Category) and is_nominal(feature) else 1
        for feature in features
    )


COLUMNS = count_columns(FEATURES)
"""Columns of rows with all features."""


def is_within_budget(data: TrainingData, settings: TrainSettings) -> bool:
    """Whether all rows can be fitted many times, as cross-validation does."""
    return data.labels.size <= _get_max_rows(data, settings)


def sample_for_comparison(
    data: TrainingData, settings: TrainSettings, seed: int
) -> tuple[TrainingData, int]:
    """Sample the rows that candidates are compared on.

    Args:
        data: All rows.
        settings: The largest number of cells, and of repetitions.
        seed: Seed of the sampling.

    Returns:
        The rows, stratified by label; all of them if they are within the budget. Also the number of
        times that the cross-validation is repeated: as often as the cells of all repetitions are
        within the budget, but at least once.
    """
    sample = stratified_sample(data, _get_max_rows(data, settings), seed)
    affordable = settings.max_cells // (sample.labels.size * COLUMNS)
    return sample, max(1, min(settings.selection_repeats, affordable))


def count_refits(rows: int, most: int, fewest: int, settings: TrainSettings) -> int:
    """Return how many refits to fit, so that on average each is within the budget.

    Args:
        rows: Rows of each refit.
        most: Number of refits of a small table.
        fewest: Fewest refits.
        settings: The largest number of cells.
    """
    return min(most, max(fewest, most * settings.max_cells // (rows * COLUMNS)))


def _get_max_rows(data: TrainingData, settings: TrainSettings) -> int:
    rarer = count_rarer_class(data)
    for_rarer = -(-MIN_RARER_CLASS * data.labels.size // rarer) if rarer else data.labels.size
    return max(settings.max_cells // COLUMNS, MIN_ROWS, for_rarer)
