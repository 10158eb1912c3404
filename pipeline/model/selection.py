"""Select a candidate and a score threshold by repeated cross-validation.

The simplest candidate is selected whose mean ROC AUC is within one standard error of the best: the
one-standard-error rule (Breiman et al., Classification and Regression Trees, 1984, section 3.4.3;
Hastie et al., The Elements of Statistical Learning, 2009, section 7.10).

Candidates are compared on a sample of the rows if there are many; see budget.py.

Every fit has its own seed, so the number of processes does not change the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.model.budget import is_within_budget, sample_for_comparison
from pipeline.model.candidates import CANDIDATES, decision_scores
from pipeline.model.families import Candidate
from pipeline.model.intervals import roc_auc
from pipeline.model.thresholds import choose_score, get_cost_threshold
from pipeline.model.training_data import TrainingData
from pipeline.model.units import split_into_folds
from pipeline.settings.training import TrainSettings
from pipeline.types import Float32Array, FloatArray, IntArray

RANKING_DECIMALS = 6
"""Decimals of the mean ROC AUC that count when candidates are ranked; ties go to the first name."""


@dataclass(frozen=True)
class Selection:
    """The selected candidate.

    Attributes:
        candidate: The candidate.
        score_threshold: Score from which a row is predicted positive, before calibration.
        probability_threshold: Probability from which it is, after calibration, if the purpose of
            the threshold determines it; it then replaces the score threshold.
        ranking: Mean ROC AUC over all folds by candidate name, best first.
        standard_error: Standard error of the best mean.
        one_fold: The settings if the rows are too many for cross-validation. One held-out fold then
            calibrates the model, and sets the score threshold instead of this one.
    """

    candidate: Candidate
    score_threshold: float
    ranking: dict[str, float]
    standard_error: float = 0.0
    probability_threshold: float | None = None
    one_fold: TrainSettings | None = None


class _HeldOut(NamedTuple):
    """Scores of one candidate for the rows of one fold, by a model that did not learn from them."""

    candidate: Candidate
    labels: IntArray
    scores: FloatArray


def select_candidate(
    data: TrainingData,
    settings: TrainSettings,
    seed: int,
    candidates: Sequence[Candidate] = CANDIDATES,
) -> Selection:
    """Select a candidate in a stratified, repeated cross-validation.

    Args:
        data: Rows to select on.
        settings: Numbers of folds and repetitions, and the purpose of the threshold.
        seed: Seed of the folds and of every fit.
        candidates: Candidates to select from, the simplest first.

    Returns:
        The candidate, its ranking and its score threshold.
    """
    return select_candidates([data], settings, seed, candidates)[0]


def select_candidates(
    subsets: Sequence[TrainingData],
    settings: TrainSettings,
    seed: int,
    candidates: Sequence[Candidate] = CANDIDATES,
) -> list[Selection]:
    """Select a candidate on each subset; the fits of all subsets share the processes.

    Args:
        subsets: Rows to select on, one selection each.
        settings: Numbers of folds and repetitions, and the purpose of the threshold.
        seed: Seed of the folds and of every fit.
        candidates: Candidates to select from, the simplest first.

    Returns:
        The selections, in the order of `subsets`. A single candidate is not cross-validated if its
        threshold follows from a cost, or if the rows are too many; its ranking is empty then.
    """
    from joblib import Parallel, delayed

    tasks = [_list_fits(subset, settings, seed, candidates) for subset in subsets]
    scores = iter(
        Parallel(n_jobs=-1)(
            delayed(fit_and_score)(candidate, train, test.rows, seed)
            for fits in tasks
            for candidate, train, test in fits
        )
    )
    return [
        _select(
            candidates,
            [_HeldOut(candidate, test.labels, next(scores)) for candidate, _, test in fits],
            subset,
            settings,
        )
        for subset, fits in zip(subsets, tasks, strict=True)
    ]


def _list_fits(
    subset: TrainingData, settings: TrainSettings, seed: int, candidates: Sequence[Candidate]
) -> list[tuple[Candidate, TrainingData, TrainingData]]:
    """List each candidate with the training rows and the held-out rows of each fold.

    All candidates share the folds. A single candidate needs none if nothing else is to be found.
    """
    by_cost = settings.threshold_purpose == "cost"
    if len(candidates) == 1 and (by_cost or not is_within_budget(subset, settings)):
        return []
    sample, repeats = sample_for_comparison(subset, settings, seed)
    folds = [
        (sample.take(train), sample.take(test))
        for train, test in split_into_folds(sample, settings.folds, repeats, seed)
    ]
    return [(candidate, *fold) for candidate in candidates for fold in folds]


def fit_and_score(
    candidate: Candidate, train: TrainingData, rows: Float32Array, seed: int
) -> FloatArray:
    """Fit a candidate, without calibration, and score rows.

    Args:
        candidate: The candidate.
        train: Rows to fit on.
        rows: Rows to score, shape (n_rows, n_features).
        seed: Seed of the fit.

    Returns:
        Scores, shape (n_rows,); a higher score is a higher risk.
    """
    import joblib
    from threadpoolctl import threadpool_limits

    # The summation order of a BLAS depends on its number of threads.
    with threadpool_limits(1), joblib.parallel_config("sequential"):
        return decision_scores(candidate.build(seed).fit(train.rows, train.labels), rows)


def _select(
    candidates: Sequence[Candidate],
    held_out: Sequence[_HeldOut],
    subset: TrainingData,
    settings: TrainSettings,
) -> Selection:
    """Select a candidate for one subset, and set its threshold on the folds of all repetitions."""
    ranking: dict[str, float] = {}
    selected, standard_error, score_threshold = candidates[0], 0.0, 0.0
    if held_out:
        selected, ranking, standard_error = _rank(candidates, held_out, settings)
        chosen = [fold for fold in held_out if fold.candidate.name == selected.name]
        labels = np.concatenate([fold.labels for fold in chosen])
        scores = np.concatenate([fold.scores for fold in chosen])
        score_threshold = choose_score(labels, scores, settings)
    by_cost = settings.threshold_purpose == "cost"
    return Selection(
        selected,
        score_threshold,
        ranking,
        standard_error,
        get_cost_threshold(settings.missed_cost, subset.labels) if by_cost else None,
        one_fold=None if is_within_budget(subset, settings) else settings,
    )


def _rank(
    candidates: Sequence[Candidate], held_out: Sequence[_HeldOut], settings: TrainSettings
) -> tuple[Candidate, dict[str, float], float]:
    """The selected candidate, the ranking of all and the standard error of the best mean."""
    areas: dict[str, list[float]] = {}
    for fold in held_out:
        areas.setdefault(fold.candidate.name, []).append(roc_auc(fold.labels, fold.scores))
    means = {
        name: round(float(np.mean(values)), RANKING_DECIMALS) for name, values in areas.items()
    }
    ranking = dict(sorted(means.items(), key=lambda item: (-item[1], item[0])))
    best = next(iter(ranking))
    standard_error = get_standard_error(areas[best], settings.folds)
    selected = next(
        candidate
        for candidate in candidates
        if means[candidate.name] >= means[best] - standard_error
    )
    return selected, ranking, standard_error


def get_standard_error(values: Sequence[float], folds: int) -> float:
    """The standard error of a mean over the folds of a repeated cross-validation.

    Folds of different repetitions share rows, so more repetitions do not make it smaller.

    Args:
        values: A value per fold, repetition after repetition.
        folds: Folds of one repetition.
    """
    by_repetition = np.reshape(values, (-1, folds))
    return float(by_repetition.std(axis=1, ddof=1).mean() / np.sqrt(folds))
