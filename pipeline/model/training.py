"""Train a candidate: select it, estimate what the selection is worth, and fit it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from pipeline.columns import FEATURES, LABEL, SENSITIVE
from pipeline.model.ablation import measure_ablations
from pipeline.model.all_rows import MAX_MEASURED_ROWS, fit_final, try_all_rows
from pipeline.model.baselines import Baselines, measure_baselines
from pipeline.model.budget import sample_for_comparison
from pipeline.model.calibration import FittedModel, fit_calibrated
from pipeline.model.candidates import make_candidates
from pipeline.model.cross_validation import OuterFold, cross_validate, estimate_metrics
from pipeline.model.families import Candidate
from pipeline.model.metrics import compute_metrics
from pipeline.model.selection import Selection, select_candidate
from pipeline.model.stability import Refits, measure_stability, refit_on_subsets
from pipeline.model.training_data import (
    TrainingData,
    check_class_counts,
    concatenate,
    sample_indices,
    stratified_sample,
)
from pipeline.storage.artifacts.base import Interval
from pipeline.storage.artifacts.training import Ablation, AllRows, LabelStability, RowsUsed

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
        data: The rows that `final` was fitted on, or a sample of them.
        refits: The candidate fitted on subsets of `data`; none of a model of all rows, which would
            take ten times as long as the model.
        stability: How many labels change from `final` to these; None without refits.
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
    stability: LabelStability | None
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
    seed, folds, sample_rows = settings.seed, settings.train.folds, settings.train.sample_rows
    candidates = make_candidates(FEATURES, settings.train)
    check_class_counts(train.labels, folds, train.units)
    sampled = sample_indices(train.labels, sample_rows, seed)
    sample = train.take(sampled)

    outer_folds = cross_validate(sample, settings.train, seed, candidates)
    selection = select_candidate(sample, settings.train, seed, candidates)
    selected = _Selected(sample, selection, fit_calibrated(selection, sample, folds, seed))
    if sampled.size < train.labels.size:
        fitted = _fit_all_rows(train, validation, selected, settings)
    else:
        fitted = _fit_selected(validation, selected, settings)
    refits = fitted.refits
    compared, repeats = sample_for_comparison(sample, settings.train, seed)
    return TrainingResult(
        candidate=fitted.candidate,
        ranking=selection.ranking,
        standard_error=selection.standard_error,
        rows_used=RowsUsed(
            compared=compared.labels.size,
            repeats=repeats,
            train=train.labels.size,
            fitted=fitted.rows,
            available=train.labels.size + validation.labels.size,
            all_rows=fitted.all_rows,
        ),
        cross_validation=estimate_metrics(sample.labels, outer_folds),
        baselines=measure_baselines(sample, outer_folds, settings),
        validation=fitted.validation,
        out_of_fold=_make_out_of_fold_frame(sample.labels, sampled, outer_folds),
        final=fitted.final,
        data=fitted.data,
        refits=refits,
        stability=measure_stability(fitted.final, refits, fitted.data) if refits.models else None,
        ablations=measure_ablations(sample, outer_folds, selection.candidate, SENSITIVE, settings),
    )


class _Selected(NamedTuple):
    """The selected candidate, and its fit on the rows that it was selected on."""

    sample: TrainingData
    selection: Selection
    trial: FittedModel


class _Fitted(NamedTuple):
    """The final model; `rows` is the number of rows that it was fitted on."""

    candidate: Candidate
    final: FittedModel
    data: TrainingData
    rows: int
    refits: Refits
    validation: dict[str, Interval]
    all_rows: AllRows | None = None


def _fit_selected(validation: TrainingData, selected: _Selected, settings: Settings) -> _Fitted:
    """Fit the selected candidate on both splits, or on a sample of them."""
    seed, candidate = settings.seed, selected.selection.candidate
    both = concatenate(selected.sample, validation)
    both = stratified_sample(both, settings.train.sample_rows, seed)
    # The threshold of the final model is chosen on both splits too.
    selection = select_candidate(both, settings.train, seed, (candidate,))
    measured = stratified_sample(validation, MAX_MEASURED_ROWS, seed)
    return _Fitted(
        candidate,
        fit_calibrated(selection, both, settings.train.folds, seed),
        both,
        both.labels.size,
        refit_on_subsets(candidate, both, settings.train, seed),
        compute_metrics(measured.labels, selected.trial.predict(measured.rows)),
    )


def _fit_all_rows(
    train: TrainingData, validation: TrainingData, selected: _Selected, settings: Settings
) -> _Fitted:
    """Fit histogram boosting on all rows, or the selected candidate if that ranks as well."""
    name = selected.selection.candidate.name
    other = try_all_rows(train, validation, (name, selected.trial), settings)
    if not other.facts.is_selected:
        return _fit_selected(validation, selected, settings)._replace(all_rows=other.facts)
    final, data = fit_final(other, (train, validation), settings.seed)
    return _Fitted(
        other.candidate,
        final,
        data,
        train.labels.size + validation.labels.size,
        Refits([], fraction=0),
        compute_metrics(other.measured.labels, other.fitted.predict(other.measured.rows)),
        other.facts,
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
