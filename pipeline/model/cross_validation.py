"""Estimate how well a selected model does on new rows, by nested cross-validation.

The inner cross-validation selects a candidate and sets its threshold; the outer one repeats that
on each fold's training rows and measures the result on rows that no selection has seen (Cawley
and Talbot, On Over-fitting in Model Selection, JMLR 11, 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.model.calibration import fit_calibrated
from pipeline.model.candidates import CANDIDATES, Candidate
from pipeline.model.metrics import (
    METRICS,
    Measure,
    MetricCalculator,
    Predictions,
    bootstrap_intervals,
    subtract,
)
from pipeline.model.selection import select_candidates
from pipeline.model.training_data import TrainingData
from pipeline.settings import TrainSettings
from pipeline.storage.artifacts import Interval
from pipeline.types import FloatArray, IntArray


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
    from sklearn.model_selection import RepeatedStratifiedKFold

    splitter = RepeatedStratifiedKFold(
        n_splits=settings.folds, n_repeats=settings.repeats, random_state=seed
    )
    splits = [(data.take(train), test) for train, test in splitter.split(*data)]
    selections = select_candidates([train for train, _ in splits], settings, seed, candidates)
    models = Parallel(n_jobs=-1)(
        delayed(fit_calibrated)(selection, train, settings.folds, seed)
        for selection, (train, _) in zip(selections, splits, strict=True)
    )
    return [
        OuterFold(test, selection.candidate.name, model.predict(data.rows[test]))
        for selection, (_, test), model in zip(selections, splits, models, strict=True)
    ]


def estimate_metrics(
    labels: IntArray, folds: Sequence[OuterFold], samples: int, seed: int
) -> dict[str, Interval]:
    """Average each metric over the outer folds.

    Rows of different folds are not ranked against each other, because different models scored
    them. A resample that leaves a fold without one of the classes skips that fold; one that leaves
    every fold without one is not measured.

    Args:
        labels: 1 for the positive class, shape (n_rows,).
        folds: The outer folds; their indices refer to `labels`.
        samples: Number of bootstrap resamples of the rows.
        seed: Seed of the resampling.

    Returns:
        Each of METRICS as the mean over the folds, with its interval.
    """
    return bootstrap_intervals(_average_over_folds(labels, folds), labels, samples, seed)


def estimate_differences(
    labels: IntArray,
    first: Sequence[OuterFold],
    second: Sequence[OuterFold],
    samples: int,
    seed: int,
) -> dict[str, Interval]:
    """Compare two outer cross-validations on the same folds with a paired bootstrap.

    Args:
        labels: 1 for the positive class, shape (n_rows,).
        first: The outer folds of the first procedure.
        second: Those of the second procedure.
        samples: Number of bootstrap resamples of the rows.
        seed: Seed of the resampling.

    Returns:
        For each of METRICS, first minus second with its interval.
    """
    difference = subtract(_average_over_folds(labels, first), _average_over_folds(labels, second))
    return bootstrap_intervals(difference, labels, samples, seed)


def _average_over_folds(labels: IntArray, folds: Sequence[OuterFold]) -> Measure:
    """A function that measures every fold and averages the metrics."""
    calculators = [
        (fold.indices, MetricCalculator(labels[fold.indices], fold.predictions)) for fold in folds
    ]

    def average(weights: FloatArray) -> dict[str, float]:
        per_fold = [
            calculate(weights[indices])
            for indices, calculate in calculators
            if all(weights[indices][labels[indices] == value].any() for value in (0, 1))
        ]
        if not per_fold:
            return {}
        return {name: float(np.mean([fold[name] for fold in per_fold])) for name in METRICS}

    return average
