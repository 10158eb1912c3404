"""Simulate how often the 95 % intervals cover the truth, on data sets from known populations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.model.cross_validation import OuterFold, estimate_differences, estimate_metrics
from pipeline.model.metrics import METRICS, Predictions, get_differences, get_intervals
from pipeline.model.samples import measure_sample
from pipeline.storage.artifacts.base import Interval
from pipeline.types import FloatArray, IntArray
from tests.bench.coverage_linear import COEFFICIENTS, compute_exact_metrics, draw_rows, fit

POSITIVES = (13, 50, 200)
"""Positive rows of a data set; expected ones, unless their number is fixed."""
RATE = 0.05
DATA_SETS = 1_000
SEED = 1

SEPARATIONS = (1.19, 1.0)
"""Distance of the classes' mean scores in standard deviations: ROC AUC 0.80 and 0.76."""
CORRELATION = 0.8
"""Correlation of both models' scores within a class."""
POPULATION = 1_000_000
"""Rows on which the truth is measured, for models that are fixed."""

FOLDS = 5
WIDTHS = (COEFFICIENTS.size, 1)
"""Features of both regressions."""

Results = dict[str, Any]
Outcome = tuple[dict[str, Interval], dict[str, Interval]]
"""Metrics of one model, and its differences from another."""
Truth = tuple[Mapping[str, float], Mapping[str, float]]


class Counter:
    """Counts how often intervals cover the truth, and averages their widths."""

    def __init__(self) -> None:
        self._found: list[list[list[float]]] = []

    def add(self, outcome: Outcome, truth: Truth) -> None:
        self._found.append(
            [
                [
                    value
                    for name in METRICS
                    for interval in [intervals[name]]
                    for value in (
                        interval.low - 1e-12 <= true[name] <= interval.high + 1e-12,
                        interval.high - interval.low,
                    )
                ]
                for intervals, true in zip(outcome, truth, strict=True)
            ]
        )

    def summarize(self) -> dict[str, dict[str, list[float]]]:
        """For metrics and differences: coverage and mean width of each metric."""
        means = np.mean(self._found, axis=0).round(4)
        return {
            kind: {
                name: [float(row[2 * index]), float(row[2 * index + 1])]
                for index, name in enumerate(METRICS)
            }
            for kind, row in zip(("metrics", "differences"), means, strict=True)
        }


def simulate_test_rows() -> list[Results]:
    """Two fixed models on test rows: drawn at random, and with a fixed number of positive rows."""
    random = np.random.default_rng(SEED)
    population = _draw_labels(random, POPULATION, is_fixed=True)
    truth = _values(*_measure_pair(population, *_score(random, population)))
    results = []
    for is_fixed in (False, True):
        for positives in POSITIVES:
            counter = Counter()
            for _ in range(DATA_SETS):
                labels = _draw_labels(random, round(positives / RATE), is_fixed)
                counter.add(_measure_pair(labels, *_score(random, labels)), truth)
            results.append({"fixed": is_fixed, "positives": positives, **counter.summarize()})
    return results


def _draw_labels(random: np.random.Generator, rows: int, is_fixed: bool) -> IntArray:
    """Labels with at least two positive rows."""
    while True:
        drawn = np.arange(rows) < round(rows * RATE) if is_fixed else random.random(rows) < RATE
        if drawn.sum() > 1:
            return drawn.astype(np.int64)


def _score(random: np.random.Generator, labels: IntArray) -> tuple[Predictions, Predictions]:
    """Calibrated probabilities of two models whose scores are normal within a class."""
    common = random.normal(size=labels.size)
    models = []
    for separation in SEPARATIONS:
        own = random.normal(size=labels.size)
        noise = math.sqrt(CORRELATION) * common + math.sqrt(1 - CORRELATION) * own
        score = noise + separation * labels
        prior = math.log(RATE / (1 - RATE))
        log_odds = separation * score - separation**2 / 2 + prior
        models.append(Predictions(1 / (1 + np.exp(-log_odds)), RATE))
    return models[0], models[1]


def _measure_pair(labels: IntArray, first: Predictions, second: Predictions) -> Outcome:
    samples = [[measure_sample(labels, [(np.arange(labels.size), at)])] for at in (first, second)]
    return get_intervals(samples[0]), get_differences(samples[0], samples[1])


def _values(metrics: Mapping[str, Interval], differences: Mapping[str, Interval]) -> Truth:
    first, second = ({name: at.value for name, at in of.items()} for of in (metrics, differences))
    return first, second


def simulate_cross_validation() -> list[Results]:
    """A logistic regression in cross-validation, and one with fewer features to compare it with.

    The truth is that of the models that are fitted on all rows of the data set. Repetitions use
    other folds.
    """
    results = []
    for repeats, sizes in ((1, POSITIVES), (4, POSITIVES[1:2])):
        for positives in sizes:
            random = np.random.default_rng(SEED)
            counter = Counter()
            for _ in range(DATA_SETS):
                rows, labels = draw_rows(random, round(positives / RATE))
                if labels.sum() > FOLDS:
                    counter.add(*_learn(random, rows, labels, repeats))
            results.append({"repeats": repeats, "positives": positives, **counter.summarize()})
    return results


def _learn(
    random: np.random.Generator, rows: FloatArray, labels: IntArray, repeats: int
) -> tuple[Outcome, Truth]:
    from sklearn.model_selection import RepeatedStratifiedKFold

    splitter = RepeatedStratifiedKFold(
        n_splits=FOLDS, n_repeats=repeats, random_state=int(random.integers(2**31))
    )
    splits = list(splitter.split(rows, labels))
    cross_validated, truths = [], []
    for width in WIDTHS:
        narrow = rows[:, :width]
        cross_validated.append(
            [
                OuterFold(test, "", fit(narrow[train], labels[train]).predict(narrow[test]))
                for train, test in splits
            ]
        )
        truths.append(compute_exact_metrics(fit(narrow, labels)))
    outcome = (
        estimate_metrics(labels, cross_validated[0]),
        estimate_differences(labels, *cross_validated),
    )
    first, second = truths
    return outcome, (first, {name: first[name] - second[name] for name in METRICS})
