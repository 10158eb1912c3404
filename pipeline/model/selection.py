"""Select a candidate and a score threshold by cross-validation.

Every fit has its own seed, so the number of processes does not change the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.model.candidates import CANDIDATES, Candidate, decision_scores
from pipeline.model.thresholds import choose_threshold
from pipeline.model.training_data import TrainingData
from pipeline.settings import TrainSettings
from pipeline.types import Float32Array, FloatArray, IntArray

RANKING_DECIMALS = 6
"""Decimals of the mean ROC AUC that count when candidates are ranked; ties go to the first name."""


@dataclass(frozen=True)
class Selection:
    """The candidate that ranked first.

    Attributes:
        candidate: The candidate.
        score_threshold: Score from which a row is predicted positive, before calibration.
        ranking: Mean ROC AUC over the folds by candidate name, best first.
    """

    candidate: Candidate
    score_threshold: float
    ranking: dict[str, float]


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
    """Select the candidate with the best mean ROC AUC in a stratified cross-validation.

    Args:
        data: Rows to select on.
        settings: Number of folds and the recall that the threshold must reach.
        seed: Seed of the folds and of every fit.
        candidates: Candidates to select from.

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
        settings: Number of folds and the recall that the threshold must reach.
        seed: Seed of the folds and of every fit.
        candidates: Candidates to select from.

    Returns:
        The selections, in the order of `subsets`.
    """
    from joblib import Parallel, delayed
    from sklearn.model_selection import StratifiedKFold

    splitter = StratifiedKFold(settings.folds, shuffle=True, random_state=seed)
    tasks = [
        (candidate, subset.take(train), subset.take(test))
        for subset in subsets
        for candidate in candidates
        for train, test in splitter.split(*subset)
    ]
    scores = Parallel(n_jobs=-1)(
        delayed(_fit_and_score)(candidate, train, test.rows, seed)
        for candidate, train, test in tasks
    )
    held_out = [
        _HeldOut(candidate, test.labels, fold_scores)
        for (candidate, _, test), fold_scores in zip(tasks, scores, strict=True)
    ]
    per_subset = len(candidates) * settings.folds
    return [
        _select_best(held_out[start : start + per_subset], settings.min_recall)
        for start in range(0, len(held_out), per_subset)
    ]


def _fit_and_score(
    candidate: Candidate, train: TrainingData, rows: Float32Array, seed: int
) -> FloatArray:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the summation order of a BLAS depends on its number of threads
        return decision_scores(candidate.build(seed).fit(*train), rows)


def _select_best(held_out: Sequence[_HeldOut], min_recall: float) -> Selection:
    """Rank the candidates of one subset and set the winner's threshold on all its folds."""
    from sklearn.metrics import roc_auc_score

    areas: dict[str, list[float]] = {}
    for fold in held_out:
        area = float(roc_auc_score(fold.labels, fold.scores))
        areas.setdefault(fold.candidate.name, []).append(area)
    means = {
        name: round(float(np.mean(values)), RANKING_DECIMALS) for name, values in areas.items()
    }
    ranking = dict(sorted(means.items(), key=lambda item: (-item[1], item[0])))
    best = [fold for fold in held_out if fold.candidate.name == next(iter(ranking))]
    threshold = choose_threshold(
        np.concatenate([fold.labels for fold in best]),
        np.concatenate([fold.scores for fold in best]),
        min_recall,
    )
    return Selection(best[0].candidate, threshold, ranking)
