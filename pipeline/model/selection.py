"""Chooses a model and a threshold by cross-validation, and estimates what such a choice is worth by another one around it.

The inner cross-validation ranks the candidates and sets the threshold; the outer one repeats all of that on each fold's
training rows and measures the outcome on rows that no choice has seen (nested cross-validation: Cawley and Talbot, On
Over-fitting in Model Selection, JMLR 11, 2010). Every fit is seeded by itself, so that the number of processes changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import LABEL
from pipeline.errors import DataError
from pipeline.model import metrics
from pipeline.model.candidates import (
    CANDIDATES,
    Candidate,
    Floats,
    Label,
    Rows,
    calibrate_score,
    positive_probability,
    scores,
)
from pipeline.model.metrics import (
    MetricCalculator,
    Predictions,
    bootstrap_weights,
    percentile_interval,
)
from pipeline.settings import TrainSettings
from pipeline.storage.artifacts import Interval

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

RowIndices = NDArray[np.int64]
DIGITS = 6
"""Decimals of a ROC AUC that count in ranking candidates, and of a threshold: fewer than float32 has."""


class TrainingData(NamedTuple):
    """Rows to learn from or to be measured on."""

    rows: Rows
    label: Label

    def at(self, places: RowIndices) -> TrainingData:
        return TrainingData(self.rows[places], self.label[places])


@dataclass(frozen=True)
class Selection:
    """A candidate, the score that it calls a row positive from, and what led to both."""

    candidate: Candidate
    cut: float
    """In the candidate's own scores, before calibration."""
    ranking: dict[str, float]
    """Mean ROC AUC over the inner folds, by candidate, best first."""


@dataclass(frozen=True)
class FittedModel:
    """A calibrated model and the probability that it calls a row positive from."""

    model: Pipeline
    threshold: float

    def score(self, rows: Rows) -> Predictions:
        return Predictions(positive_probability(self.model, rows), self.threshold)


@dataclass(frozen=True)
class OuterFold:
    """An outer fold: the rows that were held out, and what was chosen on and predicted by the others."""

    places: RowIndices
    chosen: str
    scored: Predictions


def check_class_counts(label: Label, folds: int) -> None:
    """Nested folds must be possible.

    Raises:
        DataError: a class is missing, or has too few rows for folds within folds.
    """
    for value, name in ((1, LABEL.positive), (0, LABEL.negative)):
        rows = int((label == value).sum())
        if rows == 0:
            raise DataError(
                f"none of the {label.size:,} training rows is labelled '{name}'; a model needs rows of both classes"
            )
        if rows - -(-rows // folds) < folds:
            least = next(
                count
                for count in range(rows, label.size + folds * 3)
                if count - -(-count // folds) >= folds
            )
            raise DataError(
                f"{rows} of the {label.size:,} training rows are labelled '{name}'; {folds} folds within {folds} folds need "
                f"at least {least}: gather more rows, or lower MLOPS_TRAIN__FOLDS"
            )


def stratified_sample(data: TrainingData, most: int, seed: int) -> TrainingData:
    """At most `most` of the rows, stratified by the label, in their order."""
    if data.label.size <= most:
        return data
    from sklearn.model_selection import train_test_split

    kept, _ = train_test_split(
        np.arange(data.label.size), train_size=most, random_state=seed, stratify=data.label
    )
    kept.sort()
    return data.at(kept)


def select_candidate(
    data: TrainingData, settings: TrainSettings, seed: int, among: Sequence[Candidate] = CANDIDATES
) -> Selection:
    """The candidate with the best mean ROC AUC over the inner folds, and its threshold."""
    return _choose_each([data], settings, seed, among)[0]


def cross_validate(
    data: TrainingData, settings: TrainSettings, seed: int, among: Sequence[Candidate] = CANDIDATES
) -> list[OuterFold]:
    """The outer folds of every repetition, each chosen for, fitted and predicted without its own rows."""
    from joblib import Parallel, delayed
    from sklearn.model_selection import RepeatedStratifiedKFold

    outer = RepeatedStratifiedKFold(
        n_splits=settings.folds, n_repeats=settings.repeats, random_state=seed
    )
    splits = [(data.at(train), test) for train, test in outer.split(*data)]
    choices = _choose_each([train for train, _ in splits], settings, seed, among)
    fitted = Parallel(n_jobs=-1)(
        delayed(fit_calibrated)(choice, train, settings.folds, seed)
        for choice, (train, _) in zip(choices, splits, strict=True)
    )
    return [
        OuterFold(test, choice.candidate.name, one.score(data.rows[test]))
        for choice, (_, test), one in zip(choices, splits, fitted, strict=True)
    ]


def estimate_metrics(
    label: Label, folds: Sequence[OuterFold], samples: int, seed: int
) -> dict[str, Interval]:
    """Each metric, as its mean over the outer folds, with its bootstrap interval over the rows."""
    measures = [(fold.places, MetricCalculator(label[fold.places], fold.scored)) for fold in folds]

    def mean(weight: Floats) -> dict[str, float]:
        drawn = [
            measure(weight[places])
            for places, measure in measures
            if all(weight[places][label[places] == value].any() for value in (0, 1))
        ]
        return {name: float(np.mean([each[name] for each in drawn])) for name in metrics.METRICS}

    drawn = [mean(weight) for weight in bootstrap_weights(label, samples, seed)]
    whole = mean(np.ones(label.size))
    return {
        name: percentile_interval(value, np.array([each[name] for each in drawn]))
        for name, value in whole.items()
    }


def fit_calibrated(choice: Selection, data: TrainingData, folds: int, seed: int) -> FittedModel:
    """The chosen candidate, calibrated, on these rows; its cut becomes a probability by the same calibration.

    The threshold is put midway between two probabilities that the model gives, so that rounding turns no answer.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        model = choice.candidate.calibrated(seed, folds).fit(*data)
    given, at = (
        np.unique(positive_probability(model, data.rows)),
        calibrate_score(model, choice.cut),
    )
    below, above = given[given < at], given[given >= at]
    if below.size and above.size:
        at = (float(below[-1]) + float(above[0])) / 2
    return FittedModel(model, round(at, DIGITS))


def choose_threshold(label: Label, score: Floats, min_recall: float) -> float:
    """The score with the best balanced accuracy among those that reach the recall, the higher of equals."""
    curve = threshold_curve(label, score)
    reached = curve[curve[:, 1] >= min_recall - 1e-9]
    balanced = reached[:, 1] + reached[:, 2]
    best = int(np.flatnonzero(balanced >= balanced.max() - 1e-9)[-1])
    return float(reached[best, 0])


def threshold_curve(label: Label, score: Floats) -> Floats:
    """Threshold, recall and specificity [thresholds, 3] at the middle between any two neighbouring scores, ascending."""
    given = np.unique(score)
    middles = np.concatenate([[given[0] - 1e-9], (given[:-1] + given[1:]) / 2])
    positive, negative = np.sort(score[label == 1]), np.sort(score[label == 0])
    recall = 1 - np.searchsorted(positive, middles) / positive.size
    specificity = np.searchsorted(negative, middles) / negative.size
    return np.column_stack([middles, recall, specificity])


def _choose_each(
    subsets: Sequence[TrainingData], settings: TrainSettings, seed: int, among: Sequence[Candidate]
) -> list[Selection]:
    """A choice from each subset; the fits of all of them are shared out at once."""
    from joblib import Parallel, delayed
    from sklearn.model_selection import StratifiedKFold

    inner = StratifiedKFold(settings.folds, shuffle=True, random_state=seed)
    tasks = [
        (each, subset.at(train), subset.at(test))
        for subset in subsets
        for each in among
        for train, test in inner.split(*subset)
    ]
    found = Parallel(n_jobs=-1)(
        delayed(_held_out)(each, train, test.rows, seed) for each, train, test in tasks
    )
    tested = [
        (each, test.label, score) for (each, _, test), score in zip(tasks, found, strict=True)
    ]
    share = len(among) * settings.folds
    return [
        _best(tested[start : start + share], settings) for start in range(0, len(tested), share)
    ]


def _best(tested: Sequence[tuple[Candidate, Label, Floats]], settings: TrainSettings) -> Selection:
    """The choice from one subset's held-out labels and scores, `settings.folds` of each candidate."""
    from sklearn.metrics import roc_auc_score

    areas: dict[str, list[float]] = {}
    for each, label, score in tested:
        areas.setdefault(each.name, []).append(float(roc_auc_score(label, score)))
    means = {name: round(float(np.mean(values)), DIGITS) for name, values in areas.items()}
    ranking = dict(sorted(means.items(), key=lambda item: (-item[1], item[0])))
    best = [
        (each, label, score) for each, label, score in tested if each.name == next(iter(ranking))
    ]
    label, score = (np.concatenate([one[part] for one in best]) for part in (1, 2))
    return Selection(best[0][0], choose_threshold(label, score, settings.min_recall), ranking)


def _held_out(candidate: Candidate, train: TrainingData, rows: Rows, seed: int) -> Floats:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the order in which a BLAS adds depends on its threads
        return scores(candidate.build(seed).fit(*train), rows)
