"""Honest models of several populations, with refits on halves of their rows.

The models of the survey are a candidate of the product with its calibration and threshold. The
others are penalized logistic regressions and decision trees, which predict positive above the rate
of positive rows that they learned from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from pipeline.model.calibration import fit_calibrated
from pipeline.model.selection import select_candidate
from pipeline.model.training_data import TrainingData
from pipeline.types import BoolArray, FloatArray, IntArray
from tests.bench import label_stability
from tests.bench.label_stability import CANDIDATE, SETTINGS

REFITS = 20
MODELS = 12
TEST_ROWS, EVALUATED = 250, 2_000
"""Rows that the refits are compared on, and that show how much two models agree."""

Labels = Callable[[FloatArray], BoolArray]
Draw = Callable[[int, np.random.Generator], tuple[FloatArray, IntArray]]
Fit = Callable[[FloatArray, IntArray], Labels]


@dataclass(frozen=True)
class Population:
    """A population, and how models learn from it.

    Attributes:
        name: Name in the table.
        rows: Rows that each model learns from.
        draw: Draws rows and labels.
        fit: Fits a model.
        groups: Groups of MODELS models; every group has other test rows.
    """

    name: str
    rows: int
    draw: Draw
    fit: Fit
    groups: int = 4


@dataclass(frozen=True)
class Honest:
    """Honest models.

    Attributes:
        labels: By each model, shape (n_models, n_evaluated).
        refits: For each model, the labels by its refits, shape (n_test_rows, n_refits).
    """

    labels: BoolArray
    refits: list[BoolArray]


def draw_students(rows: int, random: np.random.Generator) -> tuple[FloatArray, IntArray]:
    data = label_stability.draw(rows, int(random.integers(2**31)))
    return data.rows.astype(np.float64), data.labels


def draw_linear(
    coefficients: tuple[float, ...],
    intercept: float,
    features: int,
    rows: int,
    random: np.random.Generator,
) -> tuple[FloatArray, IntArray]:
    """The log-odds are linear in the first of some standard normal features."""
    values = random.normal(size=(rows, features))
    log_odds = values[:, : len(coefficients)] @ coefficients + intercept
    return values, (random.random(rows) < _sigmoid(log_odds)).astype(np.int64)


def fit_candidate(rows: FloatArray, labels: IntArray) -> Labels:
    """The product's logistic regression on bins, as `train` fits it."""
    data = TrainingData(rows.astype(np.float32), labels)
    selection = select_candidate(data, SETTINGS, 0, (CANDIDATE,))
    model = fit_calibrated(selection, data, SETTINGS.folds, 0)
    return lambda unknown: model.predict(unknown.astype(np.float32)).positive


def fit_logistic(rows: FloatArray, labels: IntArray) -> Labels:
    """A logistic regression with a penalty of half the squared norm, by Newton's method."""
    design = np.column_stack([rows, np.ones(labels.size)])
    penalty = np.append(np.ones(rows.shape[1]), 0.0)
    rate = float(labels.mean())
    beta = np.zeros(penalty.size)
    beta[-1] = np.log(rate / (1 - rate))
    for _ in range(10):
        probability = _sigmoid(design @ beta)
        curvature = (design.T * (probability * (1 - probability))) @ design + np.diag(penalty)
        beta -= np.linalg.solve(curvature, design.T @ (probability - labels) + penalty * beta)
    return lambda unknown: _sigmoid(unknown @ beta[:-1] + beta[-1]) >= rate


def fit_tree(leaves: int, rows: FloatArray, labels: IntArray) -> Labels:
    from sklearn.tree import DecisionTreeClassifier

    model = DecisionTreeClassifier(max_leaf_nodes=leaves, min_samples_leaf=10, random_state=0)
    model.fit(rows, labels)
    return lambda unknown: model.predict_proba(unknown)[:, 1] >= labels.mean()


STRONG, WEAK, VERY_WEAK = (1.0, 0.6, 0.3), (0.5, 0.3), (0.2, 0.1)
FIVE = partial(draw_linear, STRONG, -3.59, 5)
POPULATIONS = (
    Population("the survey, logistic regression on bins", 750, draw_students, fit_candidate, 2),
    Population("1 feature, ROC AUC 0.76", 750, partial(draw_linear, (1.0,), -3.3, 1), fit_logistic),
    Population("5 features, ROC AUC 0.79", 750, FIVE, fit_logistic),
    Population("the same, 5,000 rows", 5_000, FIVE, fit_logistic),
    Population("the same, a tree of 3 leaves", 750, FIVE, partial(fit_tree, 3)),
    Population("the same, a tree of 8 leaves", 750, FIVE, partial(fit_tree, 8)),
    Population(
        "20 features, ROC AUC 0.79", 750, partial(draw_linear, STRONG, -3.59, 20), fit_logistic
    ),
    Population("5 features, ROC AUC 0.66", 750, partial(draw_linear, WEAK, -3.1, 5), fit_logistic),
    Population(
        "20 features, ROC AUC 0.66", 750, partial(draw_linear, WEAK, -3.1, 20), fit_logistic
    ),
    Population(
        "5 features, half of the rows positive",
        750,
        partial(draw_linear, STRONG, 0, 5),
        fit_logistic,
    ),
    Population(
        "20 features, half positive, ROC AUC 0.56",
        750,
        partial(draw_linear, VERY_WEAK, 0, 20),
        fit_logistic,
    ),
)


def fit_models(population: Population, seed: int) -> Honest:
    """Draw rows, fit a group of models, and refit each on stratified random halves of its rows."""
    random = np.random.default_rng(seed)
    evaluated, test = (population.draw(rows, random)[0] for rows in (EVALUATED, TEST_ROWS))
    predicted, refits = [], []
    for _ in range(MODELS):
        rows, labels = population.draw(population.rows, random)
        predicted.append(population.fit(rows, labels)(evaluated))
        halves = [_draw_half(labels, random) for _ in range(REFITS)]
        refits.append(
            np.column_stack([population.fit(rows[half], labels[half])(test) for half in halves])
        )
    return Honest(np.array(predicted), refits)


def _draw_half(labels: IntArray, random: np.random.Generator) -> IntArray:
    classes = (random.permutation(np.flatnonzero(labels == value)) for value in (0, 1))
    return np.concatenate([indices[: indices.size // 2] for indices in classes])


def _sigmoid(values: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-values)))
