"""A model of all rows, where the candidates learn from a sample only.

Histogram boosting learns from as many rows as fit into memory (compact_boosting.py). If a table has
more rows than the candidates are compared on, it is fitted on all rows of the train split, and
replaces the selected candidate if it ranks the validation split better. One half of validation sets
its number of trees, its calibration and its threshold, and the other half compares both models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.columns import FEATURES
from pipeline.model.budget import COLUMNS
from pipeline.model.calibration import (
    FittedModel,
    calibrate,
    move_threshold,
    replace_classifier,
)
from pipeline.model.candidates import positive_probability
from pipeline.model.compact_boosting import Binning, Growth, count_threads, grow, limit_rows
from pipeline.model.encoding import make_indicators
from pipeline.model.families import Candidate
from pipeline.model.metrics import paired_differences
from pipeline.model.thresholds import choose_score, get_cost_threshold
from pipeline.model.training_data import TrainingData, concatenate, stratified_sample
from pipeline.model.units import split_into_folds
from pipeline.storage.artifacts.training import AllRows

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline

    from pipeline.settings import Settings

MAX_MEASURED_VALUES = 1 << 23
"""Most values of these rows: rows times the columns that trees see, which are all in memory when a
model predicts."""
MAX_MEASURED_ROWS = limit_rows(200_000, COLUMNS, MAX_MEASURED_VALUES)
"""Most rows of the validation split on which models are calibrated and compared, and most rows that
describe what a model learned from."""

DEFAULT = Growth()


class Trial(NamedTuple):
    """A model of all rows of the train split.

    Attributes:
        candidate: Its name and settings.
        fitted: The calibrated model.
        growth: Settings of the fit, with the number of trees.
        facts: How it compares with the selected candidate.
        measured: Rows of the validation split that it has not seen.
    """

    candidate: Candidate
    fitted: FittedModel
    growth: Growth
    facts: AllRows
    measured: TrainingData


def try_all_rows(
    train: TrainingData,
    validation: TrainingData,
    selected: tuple[str, FittedModel],
    settings: Settings,
    growth: Growth = DEFAULT,
) -> Trial:
    """Fit histogram boosting on all rows of the train split, and compare it.

    Args:
        train: The train split.
        validation: The validation split.
        selected: The name of the selected candidate, and its fit on a sample of the train split.
        settings: The seed and the section `train`.
        growth: Settings of the fit, with the largest number of trees.
    """
    validation = stratified_sample(validation, MAX_MEASURED_ROWS, settings.seed)
    held_out, measured = (
        validation.take(half) for half in next(split_into_folds(validation, 2, 1, settings.seed))
    )
    trees = _fit([train], held_out, growth, settings.seed)
    model = calibrate(make_indicators(FEATURES), trees, held_out)
    fitted = FittedModel(model, _choose_threshold(model, train, held_out, settings))
    growth = growth._replace(max_iter=trees.n_iter_)
    candidate = _describe(growth)
    name, other = selected
    predictions = (one.predict(measured.rows) for one in (fitted, other))
    facts = AllRows(
        candidate=candidate.name,
        learned=train.labels.size,
        compared_with=name,
        measured=measured.labels.size,
        roc_auc_gain=paired_differences(measured.labels, *predictions)["roc_auc"],
    )
    return Trial(candidate, fitted, growth, facts, measured)


def fit_final(
    trial: Trial, splits: Sequence[TrainingData], seed: int
) -> tuple[FittedModel, TrainingData]:
    """Fit a model of as many trees as that of a trial on all splits.

    Args:
        trial: The trial, whose calibration and threshold the model keeps.
        splits: The rows to fit on.
        seed: Seed of the samples.

    Returns:
        The model, and a stratified sample of its rows.
    """
    model = replace_classifier(trial.fitted.model, _fit(splits, None, trial.growth, seed))
    fraction = min(1.0, MAX_MEASURED_ROWS / sum(split.labels.size for split in splits))
    sample, *others = (
        stratified_sample(split, round(split.labels.size * fraction), seed) for split in splits
    )
    for other in others:
        sample = concatenate(sample, other)
    return FittedModel(model, trial.fitted.threshold), sample


def _fit(
    splits: Sequence[TrainingData], held_out: TrainingData | None, growth: Growth, seed: int
) -> HistGradientBoostingClassifier:
    """Fit trees of the columns that `make_indicators` makes."""
    binning = Binning(make_indicators(FEATURES), splits[0].rows, seed)
    data = binning.apply(splits)
    watched = binning.apply([held_out]) if held_out else None
    return grow(data, watched, binning, growth, count_threads(data.labels.size))


def _choose_threshold(
    model: Pipeline, train: TrainingData, held_out: TrainingData, settings: Settings
) -> float:
    """The probability from which a row is predicted positive, as for every candidate."""
    if settings.train.threshold_purpose == "cost":
        threshold = get_cost_threshold(settings.train.missed_cost, train.labels)
    else:
        probability = positive_probability(model, held_out.rows)
        threshold = choose_score(held_out.labels, probability, settings.train)
    return move_threshold(model, threshold, held_out.rows)


def _describe(growth: Growth) -> Candidate:
    def make_steps(_: int) -> list[Any]:
        from sklearn.ensemble import HistGradientBoostingClassifier

        boosting = HistGradientBoostingClassifier(**growth._asdict(), early_stopping=False)
        return [*make_indicators(FEATURES), boosting]

    return Candidate(
        f"histogram boosting, {growth.max_leaf_nodes} leaves",
        "boosting",
        {
            "max_iter": growth.max_iter,
            "max_leaf_nodes": growth.max_leaf_nodes,
            "min_samples_leaf": growth.min_samples_leaf,
        },
        make_steps,
    )
