"""Train a candidate: select it, estimate what the selection is worth, and fit it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from pipeline.columns import FEATURES, LABEL, SENSITIVE
from pipeline.model.ablation import measure_ablations
from pipeline.model.baselines import Baselines, measure_baselines
from pipeline.model.budget import sample_for_comparison
from pipeline.model.calibration import FittedModel, fit_calibrated
from pipeline.model.candidates import make_candidates
from pipeline.model.cross_validation import OuterFold, cross_validate, estimate_metrics
from pipeline.model.families import Candidate
from pipeline.model.metrics import compute_metrics
from pipeline.model.selection import select_candidate
from pipeline.model.stability import Refits, measure_stability, refit_on_subsets
from pipeline.model.training_data import (
    TrainingData,
    check_class_counts,
    concatenate,
    sample_indices,
    stratified_sample,
)
from pipeline.storage.artifacts.base import Interval
from pipeline.storage.artifacts.training import Ablation, LabelStability, RowsUsed

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.types import IntArray


@dataclass(frozen=True)
class TrainingResult:
    """A trained candidate and what was estimated on the way.

    Attributes:
        candidate: The selected candidate.
        ranking: Mean ROC AUC of each candidate in the inner cross-validation, best first.
        standard_error: Standard error of the best mean, within which the simplest is selected.
        rows_used: How many rows the selection and the final fit used.
        cross_validation: Metrics of such a selection, by nested cross-validation on train.
        baselines: What simple predictors reach on the same outer folds.
        validation: Metrics on the validation split of the candidate fitted on train only.
        out_of_fold: Predictions of the outer cross-validation: fold, row (its place in the train
            split), label, probability and predicted_positive.
        final: The candidate fitted on both splits.
        data: The rows that `final` was fitted on.
        refits: The candidate fitted on subsets of `data`.
        stability: How many labels change from `final` to these.
        ablations: What leaving out sensitive features costs.
    """

    candidate: Candidate
    ranking: dict[str, float]
    standard_error: float
    rows_used: RowsUsed
    cross_validation: dict[str, Interval]
    baselines: Baselines
    validation: dict[str, Interval]
    out_of_fold: pd.DataFrame
    final: FittedModel
    data: TrainingData
    refits: Refits
    stability: LabelStability
    ablations: list[Ablation]


def train_candidate(
    train: TrainingData, validation: TrainingData, settings: Settings
) -> TrainingResult:
    """Select a candidate on the train split, check it on validation, and fit it on both.

    Args:
        train: The train split of gold.
        validation: The validation split, which no selection sees.
        settings: The seed and the section `train`.

    Returns:
        The fitted model with its estimates on both splits.

    Raises:
        DataError: If a class is missing or has fewer rows than nested folds need.
        SettingsError: If an optional candidate is not installed.
    """
    seed, folds, max_rows = settings.seed, settings.train.folds, settings.train.max_rows
    candidates = make_candidates(FEATURES, settings.train)
    check_class_counts(train.labels, folds, train.units)
    sampled = sample_indices(train.labels, max_rows, seed)
    train_rows = train.labels.size
    train = train.take(sampled)
    both = stratified_sample(concatenate(train, validation), max_rows, seed)
    compared, repeats = sample_for_comparison(train, settings.train, seed)
    rows_used = RowsUsed(
        compared=compared.labels.size,
        repeats=repeats,
        train=train_rows,
        fitted=both.labels.size,
        available=train_rows + validation.labels.size,
    )

    outer_folds = cross_validate(train, settings.train, seed, candidates)
    selection = select_candidate(train, settings.train, seed, candidates)
    trial = fit_calibrated(selection, train, folds, seed)
    # The threshold of the final model is chosen on both splits too.
    final_selection = select_candidate(both, settings.train, seed, (selection.candidate,))
    final = fit_calibrated(final_selection, both, folds, seed)
    refits = refit_on_subsets(selection.candidate, both, settings.train, seed)
    return TrainingResult(
        candidate=selection.candidate,
        ranking=selection.ranking,
        standard_error=selection.standard_error,
        rows_used=rows_used,
        cross_validation=estimate_metrics(train.labels, outer_folds),
        baselines=measure_baselines(train, outer_folds, settings),
        validation=compute_metrics(validation.labels, trial.predict(validation.rows)),
        out_of_fold=_make_out_of_fold_frame(train.labels, sampled, outer_folds),
        final=final,
        data=both,
        refits=refits,
        stability=measure_stability(final, refits, both),
        ablations=measure_ablations(train, outer_folds, selection.candidate, SENSITIVE, settings),
    )


def _make_out_of_fold_frame(
    labels: IntArray, sampled: IntArray, folds: list[OuterFold]
) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "fold": number,
                "row": sampled[fold.indices],
                LABEL.name: labels[fold.indices],
                "probability": fold.predictions.probability,
                "predicted_positive": fold.predictions.positive,
            }
        )
        for number, fold in enumerate(folds)
    ]
    return pd.concat(parts, ignore_index=True)
