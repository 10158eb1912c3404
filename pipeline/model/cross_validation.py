"""Estimate how well a selected model does on new rows, by nested cross-validation.

The inner cross-validation selects a candidate and sets its threshold; the outer one repeats that
on each fold's training rows and measures the result on rows that no selection has seen (Cawley
and Talbot, On Over-fitting in Model Selection, JMLR 11, 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.model.calibration import fit_calibrated
from pipeline.model.candidates import CANDIDATES
from pipeline.model.families import Candidate
from pipeline.model.intervals import get_variance_factor
from pipeline.model.metrics import Predictions, Sample, get_differences, get_intervals
from pipeline.model.samples import measure_sample
from pipeline.model.selection import select_candidates
from pipeline.model.training_data import TrainingData
from pipeline.model.units import split_into_folds
from pipeline.settings.training import TrainSettings
from pipeline.storage.artifacts.base import Interval
from pipeline.types import IntArray


@dataclass(frozen=True)
class OuterFold:
    """One fold of the outer cross-validation.

    Attributes:
        indices: Indices of the rows that were held out, shape (n_held_out,).
        candidate: Name of the candidate that was selected on the other rows.
        predictions: Predictions for the held-out rows by a model fitted on the others.
    """

    indices: IntArray
    candidate: str
    predictions: Predictions


def cross_validate(
    data: TrainingData,
    settings: TrainSettings,
    seed: int,
    candidates: Sequence[Candidate] = CANDIDATES,
) -> list[OuterFold]:
    """Select, fit and predict in every outer fold of every repetition.

    Args:
        data: Rows to split into folds.
        settings: Numbers of folds and repetitions, and the purpose of the thresholds.
        seed: Seed of the folds and of every fit.
        candidates: Candidates to select from.

    Returns:
        The folds; each repetition holds every row out once.
    """
    from joblib import Parallel, delayed

    folds = split_into_folds(data, settings.folds, settings.repeats, seed)
    splits = [(data.take(train), test) for train, test in folds]
    selections = select_candidates([train for train, _ in splits], settings, seed, candidates)
    models = Parallel(n_jobs=-1)(
        delayed(fit_calibrated)(selection, train, settings.folds, seed)
        for selection, (train, _) in zip(selections, splits, strict=True)
    )
    return [
        OuterFold(test, selection.candidate.name, model.predict(data.rows[test]))
        for selection, (_, test), model in zip(selections, splits, models, strict=True)
    ]


def estimate_metrics(labels: IntArray, folds: Sequence[OuterFold]) -> dict[str, Interval]:
    """Estimate how well the model does on new rows that is selected and fitted on all rows.

    Args:
        labels: 1 for the positive class, shape (n_rows,).
        folds: The outer folds; their indices refer to `labels`.

    Returns:
        Each of METRICS as the mean over the folds; average precision is pooled over the folds of
        a repetition. The interval is for the value that a model of this selection, fitted on
        these rows, has in the population that they were drawn from. It counts the choice of the
        rows (see `get_variance_factor`), not the choice of the candidates or features by people.
    """
    repetitions = _group_repetitions(labels.size, folds)
    samples = [_measure_repetition(labels, repetition) for repetition in repetitions]
    return get_intervals(samples, get_variance_factor(len(repetitions[0])))


def estimate_differences(
    labels: IntArray, first: Sequence[OuterFold], second: Sequence[OuterFold]
) -> dict[str, Interval]:
    """Compare two procedures that were cross-validated on the same folds.

    Args:
        labels: 1 for the positive class, shape (n_rows,).
        first: The outer folds of the first procedure.
        second: Those of the second procedure.

    Returns:
        For each of METRICS, first minus second with its interval, as in `estimate_metrics`.
    """
    one, other = (
        [_measure_repetition(labels, folds) for folds in _group_repetitions(labels.size, both)]
        for both in (first, second)
    )
    return get_differences(one, other, get_variance_factor(len(first) // len(one)))


def _group_repetitions(rows: int, folds: Sequence[OuterFold]) -> list[list[OuterFold]]:
    """The folds of each repetition, which together hold every row out once."""
    repetitions: list[list[OuterFold]] = [[]]
    for fold in folds:
        if sum(one.indices.size for one in repetitions[-1]) == rows:
            repetitions.append([])
        repetitions[-1].append(fold)
    return repetitions


def _measure_repetition(labels: IntArray, folds: Sequence[OuterFold]) -> Sample:
    return measure_sample(labels, [(fold.indices, fold.predictions) for fold in folds])
